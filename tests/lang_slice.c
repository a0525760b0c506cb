/*
 * tests/lang_slice.c - slices: growth, sharing, bounds.
 */
#include <tests/test.h>
#include <rt/rt.h>

struct node {
    gc(struct node *) next;
    int n;
};
struct pair {
    gc(struct node *) node;
    char c;
};
slice_type(int, ints);
slice_type(char, chars);
slice_type(gc(struct node *), nodes);
slice_type(struct pair, pairs);
struct holder {
    gc(struct ints) numbers;
    gc(struct nodes) nodes;
};

static struct node *make_node(int n)
{
    struct node *x = gc_new(struct node);
    x->n = n;
    return x;
}

TEST(slice, append_grows_as_in_go)
{
    struct ints s = {0};
    size_t grown = 0, cap = 0;

    for (int i = 0; i < 5000; i++) {
        s = append(s, i);
        REQUIRE(t, s.len == (size_t)i + 1 && s.cap >= s.len);
        if (s.cap != cap) {
            if (cap >= 256)
                EXPECT(t, s.cap >= cap + cap / 4 && s.cap <= 2 * cap);
            else if (cap > 0)
                EXPECT_EQ(t, s.cap, 2 * cap);
            grown++;
            cap = s.cap;
        }
    }
    EXPECT_LE(t, grown, 22);
    for (int i = 0; i < 5000; i++)
        REQUIRE(t, at(s, i) == i);
    s = (struct ints){0};
    s = append(s, 1, 2, 3, 4, 5);
    EXPECT_EQ(t, s.len, 5);
    EXPECT_EQ(t, s.cap, 5);
    s = append(s);
    EXPECT_EQ(t, s.len, 5);
}

TEST(slice, sub_shares_memory)
{
    struct ints s = {0};

    s = append(s, 0, 1, 2, 3, 4);
    struct ints a = sub(s, 1, 3), rest = sub(s, 5, 5);
    EXPECT_EQ(t, a.len, 2);
    EXPECT_EQ(t, a.cap, 4);
    at(a, 0) = 10;
    EXPECT_EQ(t, at(s, 1), 10);
    a = append(a, 30); /* in place: over s[3] */
    EXPECT_EQ(t, at(s, 3), 30);
    a = append(a, 40, 50); /* does not fit: a new array */
    at(a, 0) = 11;
    EXPECT_EQ(t, at(s, 1), 10);
    EXPECT_EQ(t, rest.len + rest.cap, 0);
    rest = append(rest, 7); /* and never behind the array */
    EXPECT_EQ(t, at(rest, 0), 7);
    EXPECT_EQ(t, at(s, 4), 4);
    s = sub(s, 0, 2);
    s = sub(s, 0, 5); /* up to the capacity */
    EXPECT_EQ(t, at(s, 4), 4);
}

TEST(slice, references)
{
    struct nodes s = {0};
    struct pairs p = {0};
    struct holder *h = gc_new(struct holder);
    int sum = 0;

    for (int i = 0; i < 300; i++) {
        s = append(s, make_node(i));
        p = append(p, {.node = make_node(i), .c = 'x'});
    }
    gc_set(at(s, 5), at(s, 6));
    gc_copy(&h->nodes, &s, 1);
    slice_range (i, v, h->nodes)
        sum += v->n - (int)i;
    EXPECT_EQ(t, sum, 1);
    sum = 0;
    slice_range (i, v, p) {
        if (i == 2)
            continue;
        if (i == 10)
            break;
        sum += v.node->n;
    }
    EXPECT_EQ(t, sum, 43);
    struct ints n = {0};
    n = append(h->numbers, 4, 5);
    gc_copy(&h->numbers, &n, 1);
    EXPECT_EQ(t, at(h->numbers, 1), 5);
}

static int calls;
static struct ints get(struct ints s)
{
    calls++;
    return s;
}

TEST(slice, arguments_are_evaluated_once)
{
    struct ints s = {0};
    int i = 0;

    calls = 0;
    s = append(get(s), i++, 1);
    i++;
    at(get(s), i - 1) = 9;
    s = sub(get(s), i - 2, i);
    slice_range (k, v, get(s))
        i += v + (int)k;
    EXPECT_EQ(t, calls, 4);
    EXPECT_EQ(t, i, 2 + 0 + 9 + 1); /* the slice is 0, 9 */
}

static void read_at(struct ints s, int64_t i)
{
    at(s, i)++;
}

static void cut(struct ints s, int64_t lo, int64_t hi)
{
    s = sub(s, lo, hi);
    (void)s;
}

static void expect(struct test *t, struct rt_panic *e, const char *text)
{
    EXPECT(t, e != NULL && e->is_runtime_error);
    if (e != NULL)
        EXPECT_STR(t, text, e->message);
}

TEST(slice, bounds_panic_with_go_s_texts)
{
    struct ints s = {0};

    s = append(s, 1, 2, 3);
    expect(t, catch_panic(read_at, s, 5), "runtime error: index out of range [5] with length 3");
    expect(t, catch_panic(read_at, s, 3), "runtime error: index out of range [3] with length 3");
    expect(t, catch_panic(read_at, s, -1), "runtime error: index out of range [-1]");
    expect(t, catch_panic(cut, s, 0, 11),
           "runtime error: slice bounds out of range [:11] with capacity 3");
    expect(t, catch_panic(cut, s, 2, 1), "runtime error: slice bounds out of range [2:1]");
    expect(t, catch_panic(cut, s, -1, 1), "runtime error: slice bounds out of range [-1:]");
    expect(t, catch_panic(cut, s, 0, -1), "runtime error: slice bounds out of range [:-1]");
}
