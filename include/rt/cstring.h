/*
 * rt/cstring.h - the parts of the C library that are there, under their own names.
 *
 * What C11 says holds, with these differences: there is no errno (a number out of range gives the
 * nearest one, as C says), one locale ("C"), no wide characters, and rounding is always to nearest.
 * Nothing here allocates or parks; all may run on several cores at once. A bad pointer is the
 * calling program's fault: a panic it can recover from. memcpy() and its kin are not for memory
 * with gc() fields: gc_copy().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* ---- Memory and strings ---- */

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int byte, size_t n);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *part); /* at worst strlen(s) * strlen(part) steps */
size_t strspn(const char *s, const char *set);
size_t strcspn(const char *s, const char *set);
char *strpbrk(const char *s, const char *set);
char *strtok_r(char *restrict s, const char *restrict separators, char **restrict state);

char *strcpy(char *restrict dst, const char *restrict src);
char *strncpy(char *restrict dst, const char *restrict src, size_t n);
char *strcat(char *restrict dst, const char *restrict src);
char *strncat(char *restrict dst, const char *restrict src, size_t n);

/* ---- Numbers from text ---- */

long strtol(const char *restrict s, char **restrict end, int base);
unsigned long strtoul(const char *restrict s, char **restrict end, int base);
long long strtoll(const char *restrict s, char **restrict end, int base);
unsigned long long strtoull(const char *restrict s, char **restrict end, int base);
double strtod(const char *restrict s, char **restrict end); /* correctly rounded, any length */
int atoi(const char *s);
long atol(const char *s);
long long atoll(const char *s);
double atof(const char *s);

int abs(int n);
long labs(long n);
long long llabs(long long n);

/* ---- Sorting and searching ---- */

/*
 * qsort: O(n log n) comparisons whatever the input, in place, not stable. Elements move by plain
 * copies, so they may not be collected references in memory that another goroutine can reach.
 */

void qsort(void *base, size_t n, size_t elem_bytes, int (*compare)(const void *, const void *));
void *bsearch(const void *key, const void *base, size_t n, size_t elem_bytes,
              int (*compare)(const void *, const void *));

/* A fixed sequence for each seed, shared by all goroutines; rt_rand64() is the better generator. */
int rand(void); /* 0 to 2^31 - 1 */
void srand(unsigned seed);

/* ---- Mathematics ---- */

/*
 * sqrt, fmod, the rounding functions, ldexp, frexp and modf are exact or correctly rounded; exp,
 * the logarithms, pow, sin, cos and hypot are within 1 unit in the last place, the others within 2.
 */

double fabs(double x);
double copysign(double x, double sign);
double sqrt(double x);
double floor(double x);
double ceil(double x);
double trunc(double x);
double round(double x); /* halves away from zero */
double rint(double x);  /* halves to even */
long lround(double x);
long long llround(double x);
double fmod(double x, double y);
double fmin(double x, double y);
double fmax(double x, double y);
double ldexp(double x, int n);
double scalbn(double x, int n);
double frexp(double x, int *exponent);
double modf(double x, double *integer);
double hypot(double x, double y);

double exp(double x);
double log(double x);
double log2(double x);
double log10(double x);
double pow(double x, double y);
double sin(double x);
double cos(double x);
double tan(double x);
double asin(double x);
double acos(double x);
double atan(double x);
double atan2(double y, double x);
