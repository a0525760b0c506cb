/*
 * tests/host/rename_libc.h - lets our C library stand beside the host's in one program.
 *
 * Include it before any file of ours: it has the host's headers, keeps each of the host's functions
 * as host_NAME, and makes the plain names mean ours, which the linker knows as ingot_NAME.
 */
#pragma once

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define HOST_FUNCTIONS(X) \
    X(memcpy) X(memmove) X(memset) X(memcmp) X(memchr) X(strlen) X(strnlen) X(strcmp) X(strncmp) \
    X(strchr) X(strrchr) X(strstr) X(strspn) X(strcspn) X(strpbrk) X(strtok_r) X(strcpy) \
    X(strncpy) X(strcat) X(strncat) X(strtol) X(strtoul) X(strtoll) X(strtoull) X(strtod) \
    X(atoi) X(atol) X(atoll) X(atof) X(abs) X(labs) X(llabs) X(qsort) X(bsearch) X(rand) \
    X(srand) X(fabs) X(copysign) X(sqrt) X(floor) X(ceil) X(trunc) X(round) X(rint) X(lround) \
    X(llround) X(fmod) X(fmin) X(fmax) X(ldexp) X(scalbn) X(frexp) X(modf) X(hypot) X(exp) \
    X(log) X(log2) X(log10) X(pow) X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(atan2)
/* clang-format on */
#define HOST_KEEP(f) static __typeof__(f) *const host_##f __attribute__((unused)) = f;
HOST_FUNCTIONS(HOST_KEEP)

#undef memcpy
#define memcpy ingot_memcpy
#undef memmove
#define memmove ingot_memmove
#undef memset
#define memset ingot_memset
#undef memcmp
#define memcmp ingot_memcmp
#undef memchr
#define memchr ingot_memchr
#undef strlen
#define strlen ingot_strlen
#undef strnlen
#define strnlen ingot_strnlen
#undef strcmp
#define strcmp ingot_strcmp
#undef strncmp
#define strncmp ingot_strncmp
#undef strchr
#define strchr ingot_strchr
#undef strrchr
#define strrchr ingot_strrchr
#undef strstr
#define strstr ingot_strstr
#undef strspn
#define strspn ingot_strspn
#undef strcspn
#define strcspn ingot_strcspn
#undef strpbrk
#define strpbrk ingot_strpbrk
#undef strtok_r
#define strtok_r ingot_strtok_r
#undef strcpy
#define strcpy ingot_strcpy
#undef strncpy
#define strncpy ingot_strncpy
#undef strcat
#define strcat ingot_strcat
#undef strncat
#define strncat ingot_strncat
#undef strtol
#define strtol ingot_strtol
#undef strtoul
#define strtoul ingot_strtoul
#undef strtoll
#define strtoll ingot_strtoll
#undef strtoull
#define strtoull ingot_strtoull
#undef strtod
#define strtod ingot_strtod
#undef atoi
#define atoi ingot_atoi
#undef atol
#define atol ingot_atol
#undef atoll
#define atoll ingot_atoll
#undef atof
#define atof ingot_atof
#undef abs
#define abs ingot_abs
#undef labs
#define labs ingot_labs
#undef llabs
#define llabs ingot_llabs
#undef qsort
#define qsort ingot_qsort
#undef bsearch
#define bsearch ingot_bsearch
#undef rand
#define rand ingot_rand
#undef srand
#define srand ingot_srand
#undef fabs
#define fabs ingot_fabs
#undef copysign
#define copysign ingot_copysign
#undef sqrt
#define sqrt ingot_sqrt
#undef floor
#define floor ingot_floor
#undef ceil
#define ceil ingot_ceil
#undef trunc
#define trunc ingot_trunc
#undef round
#define round ingot_round
#undef rint
#define rint ingot_rint
#undef lround
#define lround ingot_lround
#undef llround
#define llround ingot_llround
#undef fmod
#define fmod ingot_fmod
#undef fmin
#define fmin ingot_fmin
#undef fmax
#define fmax ingot_fmax
#undef ldexp
#define ldexp ingot_ldexp
#undef scalbn
#define scalbn ingot_scalbn
#undef frexp
#define frexp ingot_frexp
#undef modf
#define modf ingot_modf
#undef hypot
#define hypot ingot_hypot
#undef exp
#define exp ingot_exp
#undef log
#define log ingot_log
#undef log2
#define log2 ingot_log2
#undef log10
#define log10 ingot_log10
#undef pow
#define pow ingot_pow
#undef sin
#define sin ingot_sin
#undef cos
#define cos ingot_cos
#undef tan
#define tan ingot_tan
#undef asin
#define asin ingot_asin
#undef acos
#define acos ingot_acos
#undef atan
#define atan ingot_atan
#undef atan2
#define atan2 ingot_atan2
