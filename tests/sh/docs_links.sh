#!/bin/sh
# Links between documents lead somewhere, and so do the folders that the README names.
. tests/sh/common.inc

for doc in README.md CONTRIBUTING.md docs/*.md examples/data/README.md; do
    # shellcheck disable=SC2013
    for link in $(grep -oE '\]\([^)#]+' "$doc" | sed 's/^](//' | grep -v '^https\?:'); do
        check "$doc: $link" test -e "$(dirname "$doc")/$link"
    done
done
for doc in docs/*.md; do
    case $doc in
    docs/README.md) ;;
    *) check "docs/README.md names $doc" grep -q "(${doc#docs/})" docs/README.md ;;
    esac
done
for example in examples/*/main.c; do
    which=$(basename "$(dirname "$example")")
    check "README.md names $which" grep -q "\`$which\`" README.md
    check "$which has its expected output" test -f "examples/$which/expect"
done
summary
