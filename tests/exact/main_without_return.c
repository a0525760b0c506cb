/* As in C99: main() that ends without a return statement returns 0. Also: argv, environment,
 * stdio.h. */
#include <rt/rt.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    const char *colour = rt_getenv("COLOUR");

    for (int i = 1; i < argc; i++)
        printf("%d: %s\n", i, argv[i]);
    printf("%s\n", colour != NULL ? colour : "no colour");
}
