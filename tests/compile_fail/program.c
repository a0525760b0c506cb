// What a program is protected from by the flags it is compiled with (Makefile: PROGRAM_CFLAGS).
#include <rt/rt.h>
#include <string.h>

int fine(const char *s);
int fine(const char *s)
{
    return (int)strlen(s);
}

#ifdef CASE_1
// EXPECT: implicit(ly declaring| declaration)
int f(void)
{
    return no_such_function();
}
#endif
#ifdef CASE_2
// EXPECT: discards.*qualifier|drops const
char *f(const char *s)
{
    return (char *)s;
}
#endif
#ifdef CASE_3
// EXPECT: discards.*qualifier
char *f(const char *s)
{
    char *p = s;
    return p;
}
#endif
#ifdef CASE_4
// EXPECT: incompatible
int *f(char *s)
{
    int *p = s;
    return p;
}
#endif
#ifdef CASE_5
// EXPECT: (makes pointer from integer|incompatible integer to pointer)
char *f(int n)
{
    char *p = n;
    return p;
}
#endif
#ifdef CASE_6
// EXPECT: non-void function
int f(int n)
{
    if (n)
        return 1;
}
#endif
#ifdef CASE_7
// EXPECT: (unistd.h: No such file|'unistd.h' file not found)
#include <unistd.h>
#endif
