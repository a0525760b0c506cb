// Misuse of defer, catch_panic and recover that types can tell.
#include <rt/rt.h>

void close_it(int *p);
void two(long a, const char *b);
double real(double x);
void none(void);
struct pair {
    long a, b;
};

int fine(int *p);
int fine(int *p)
{
    defers;
    defer(close_it, p);
    defer(two, 1, "x");
    defer(real, 2);
    defer(none);
    return catch_panic(two, 3, "y") != NULL;
}

struct pair fine_struct(void);
struct pair fine_struct(void)
{
    volatile struct pair result = {0, 0};
    defers_returning(result);
    defer(none);
    return (struct pair){1, 2};
}

void fine_void(void);
void fine_void(void)
{
    defers_returning();
    defer(none);
}

#ifdef CASE_1
// EXPECT: function_has_no_defers_statement
void f(int *p)
{
    defer(close_it, p);
}
#endif
#ifdef CASE_2
// EXPECT: RT_CALL_takes_at_most_6_arguments
void seven(int a, int b, int c, int d, int e, int g, int h);
void f(void)
{
    defers;
    defer(seven, 1, 2, 3, 4, 5, 6, 7);
}
#endif
#ifdef CASE_3
// EXPECT: incompatible.*pointer
void f(double *p)
{
    defers;
    defer(close_it, p);
}
#endif
#ifdef CASE_4
// EXPECT: too few arguments
void f(void)
{
    defers;
    defer(close_it);
}
#endif
#ifdef CASE_5
// EXPECT: too many arguments
void f(int *p)
{
    defers;
    defer(none, p);
}
#endif
#ifdef CASE_6
// EXPECT: discards.*qualifier
void f(const int *p)
{
    defers;
    defer(close_it, p);
}
#endif
#ifdef CASE_7
// EXPECT: pointer from integer|integer to pointer
void f(void)
{
    defers;
    defer(close_it, 17);
}
#endif
#ifdef CASE_8
// EXPECT: incompatible
struct pair f(void)
{
    defers;
    defer(none);
    return (struct pair){1, 2};
}
#endif
#ifdef CASE_9
// EXPECT: x must be a volatile variable
int f(void)
{
    int result = 0;
    defers_returning(result);
    defer(none);
    return 1;
}
#endif
#ifdef CASE_10
// EXPECT: redefinition|duplicate label
int f(void)
{
    defers;
    defers;
    return 1;
}
#endif
#ifdef CASE_11
// EXPECT: not a function
int f(int x)
{
    defers;
    defer(x, 1);
    return 1;
}
#endif
#ifdef CASE_12
// EXPECT: too few arguments
int f(void)
{
    return catch_panic(two, 1) != NULL;
}
#endif
#ifdef CASE_13
// EXPECT: read-only|const-qualified
void f(struct rt_panic *e)
{
    e->message = "other";
}
#endif
#ifdef CASE_14
// EXPECT: arguments too large
struct huge {
    char bytes[4000];
};
void eat(struct huge h);
void f(void)
{
    static struct huge h;
    defers;
    defer(eat, h);
}
#endif
