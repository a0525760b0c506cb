/*
 * tests/host/rename_libc.h - lets our C library stand beside the host's in one program.
 *
 * Include the host's headers, keep what you compare with under another name, then include this:
 * from here on the plain names mean ours, and the linker knows them as ingot_*.
 */
#pragma once

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
