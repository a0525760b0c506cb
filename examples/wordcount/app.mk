MODULE ?= examples/data/opticks.txt
