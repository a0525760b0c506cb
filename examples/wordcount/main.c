/*
 * wordcount - the most frequent words of a text, counted on all cores.
 *
 *     make run                                      Newton's Opticks
 *     make run MODULE=/my/text ARGS=20              another text, 20 words; ARGS=0: all
 *     make run ENV="GODEBUG=gctrace=1 GOGC=25"      watch the collector
 *
 * The text is a boot module: a file that the loader put into memory beside the program.
 *
 *     split -> pieces -> count (one for each core) -> tables -> main
 *
 * Each piece of some 1 KB gets a hash table of its own, so the workers share nothing and lock
 * nothing. Main adds the tables up and drops them; nobody frees anything. A word is a run of
 * letters, and bytes from 0x80 on are letters, so that UTF-8 stays whole.
 */
#include <ctype.h>
#include <rt/rt.h>

#define PIECE_BYTES 1024

struct entry {
    gc(char *) word;         /* lower case */
    gc(struct entry *) next; /* in the same bucket */
    size_t bytes, count;
    uint32_t hash;
};

struct table {
    gc(gc(struct entry *) *) buckets;
    size_t n_buckets; /* a power of 2 */
    size_t n_entries;
};

/* Part of a module, which stays where it is and is not collected. */
struct text {
    gc_foreign(const char *) at;
    size_t bytes;
};

static struct table *table_make(void)
{
    struct table *t = gc_new(struct table);

    t->n_buckets = 128;
    gc_set(t->buckets, gc_make_refs(struct entry *, t->n_buckets));
    return t;
}

static void table_push(struct table *t, struct entry *e)
{
    size_t i = e->hash & (t->n_buckets - 1);

    gc_set(e->next, t->buckets[i]);
    gc_set(t->buckets[i], e);
}

static void table_grow(struct table *t)
{
    gc(struct entry *) *old = t->buckets;
    size_t n_old = t->n_buckets;

    t->n_buckets *= 2;
    gc_set(t->buckets, gc_make_refs(struct entry *, t->n_buckets));
    for (size_t i = 0; i < n_old; i++) {
        for (struct entry *e = old[i], *next; e != NULL; e = next) {
            next = e->next;
            table_push(t, e);
        }
    }
}

static bool same_word(const struct entry *e, const char *word, size_t bytes)
{
    if (e->bytes != bytes)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        if (e->word[i] != (char)tolower((unsigned char)word[i]))
            return false;
    }
    return true;
}

static void table_add(struct table *t, const char *word, size_t bytes, size_t count)
{
    uint32_t hash = 2166136261; /* FNV-1a */

    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (uint32_t)tolower((unsigned char)word[i])) * 16777619;

    for (struct entry *e = t->buckets[hash & (t->n_buckets - 1)]; e != NULL; e = e->next) {
        if (e->hash == hash && same_word(e, word, bytes)) {
            e->count += count;
            return;
        }
    }

    struct entry *e = gc_new(struct entry);
    char *copy = gc_bytes(bytes + 1);

    for (size_t i = 0; i < bytes; i++)
        copy[i] = (char)tolower((unsigned char)word[i]);
    gc_set(e->word, copy);
    e->bytes = bytes;
    e->count = count;
    e->hash = hash;
    if (++t->n_entries > t->n_buckets)
        table_grow(t);
    table_push(t, e);
}

static bool is_letter(char c)
{
    return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* Cut all modules into pieces that end between words. */
static void split(chan(struct text) pieces)
{
    for (size_t i = 0; i < rt_module_count(); i++) {
        const char *at = rt_module(i)->data, *end = at + rt_module(i)->bytes;

        while (at < end) {
            const char *cut = end - at > PIECE_BYTES ? at + PIECE_BYTES : end;

            while (cut < end && is_letter(*cut))
                cut++;
            chan_send(pieces, {at, (size_t)(cut - at)});
            at = cut;
        }
    }
    chan_close(pieces);
}

static void count(chan(struct text) pieces, chan(struct table *) tables)
{
    chan_range (piece, pieces) {
        struct table *t = table_make();
        const char *at = piece.at, *end = at + piece.bytes;

        while (at < end) {
            const char *word = at;

            while (at < end && is_letter(*at))
                at++;
            if (at > word)
                table_add(t, word, (size_t)(at - word), 1);
            else
                at++;
        }
        chan_send(tables, t);
    }
}

static void close_after(struct rt_waitgroup *workers, chan(struct table *) tables)
{
    rt_wg_wait(workers);
    chan_close(tables);
}

/* More frequent first; equals by their letters. */
static bool before(const struct entry *a, const struct entry *b)
{
    return a->count != b->count ? a->count > b->count : strcmp(a->word, b->word) < 0;
}

/* Shell's sort. qsort() would move the references behind the collector's back. */
static void sort(gc(struct entry *) * a, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11) {
        for (size_t i = gap; i < n; i++) {
            struct entry *e = a[i];
            size_t j = i;

            for (; j >= gap && before(e, a[j - gap]); j -= gap)
                gc_set(a[j], a[j - gap]);
            gc_set(a[j], e);
        }
    }
}

int main(int argc, char **argv)
{
    int64_t start = rt_nanotime();
    size_t top = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;

    if (rt_module_count() == 0) {
        rt_puts("wordcount: no text; give one: make run APP=examples/wordcount MODULE=file");
        return 1;
    }

    chan(struct text) pieces = chan_make(struct text, 8);
    chan(struct table *) tables = chan_make(struct table *, 8);
    static struct rt_waitgroup workers;

    go(split, pieces);
    for (unsigned i = 0; i < rt_num_cpu(); i++)
        wg_go(&workers, count, pieces, tables);
    go(close_after, &workers, tables);

    struct table *all = table_make();
    size_t n_goroutines = rt_num_goroutine(), n_words = 0, n_pieces = 0;

    chan_range (t, tables) {
        n_pieces++;
        for (size_t i = 0; i < t->n_buckets; i++) {
            for (struct entry *e = t->buckets[i]; e != NULL; e = e->next) {
                table_add(all, e->word, e->bytes, e->count);
                n_words += e->count;
            }
        }
    }

    gc(struct entry *) *ranked = gc_make_refs(struct entry *, all->n_entries);
    size_t n = 0;

    for (size_t i = 0; i < all->n_buckets; i++) {
        for (struct entry *e = all->buckets[i]; e != NULL; e = e->next)
            gc_set(ranked[n++], e);
    }
    sort(ranked, n);
    if (top == 0 || top > n)
        top = n;
    for (size_t i = 0; i < top; i++)
        rt_printf("%7zu %s\n", ranked[i]->count, ranked[i]->word);

    struct rt_mem_stats m;

    rt_read_mem_stats(&m);
    rt_printf("%zu words, %zu different, in %zu pieces\n", n_words, n, n_pieces);
    rt_printf("%u cores, %zu goroutines, %lld ms\n", rt_num_cpu(), n_goroutines,
              (long long)(rt_nanotime() - start) / 1000000);
    rt_printf("%zu KiB allocated, %zu collections, worst stop %zu us, heap %zu KiB\n",
              (size_t)m.total_alloc_bytes >> 10, (size_t)m.num_gc, (size_t)m.pause_max_ns / 1000,
              (size_t)m.heap_in_use_bytes >> 10);
    return 0;
}
