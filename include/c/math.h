/*
 * math.h - the C header: functions from rt/cstring.h, macros and the float forms here.
 */
#pragma once

#include <rt/cstring.h>

#define NAN __builtin_nanf("")
#define INFINITY __builtin_inff()
#define HUGE_VAL __builtin_inf()

#define isnan(x) __builtin_isnan(x)
#define isinf(x) __builtin_isinf(x)
#define isfinite(x) __builtin_isfinite(x)
#define isnormal(x) __builtin_isnormal(x)
#define signbit(x) (__builtin_signbit(x) != 0)

#define M_E 2.71828182845904523536
#define M_LN2 0.69314718055994530942
#define M_LN10 2.30258509299404568402
#define M_PI 3.14159265358979323846
#define M_PI_2 1.57079632679489661923
#define M_PI_4 0.78539816339744830962
#define M_SQRT2 1.41421356237309504880
#define M_SQRT1_2 0.70710678118654752440

/* A float's result is that of the double, rounded once more. */
#define MATH_FLOAT_(name)                                                                          \
    static inline float name##f(float x)                                                           \
    {                                                                                              \
        return (float)name(x);                                                                     \
    }
#define MATH_FLOAT2_(name)                                                                         \
    static inline float name##f(float x, float y)                                                  \
    {                                                                                              \
        return (float)name(x, y);                                                                  \
    }
MATH_FLOAT_(fabs)
MATH_FLOAT_(sqrt)
MATH_FLOAT_(floor)
MATH_FLOAT_(ceil)
MATH_FLOAT_(trunc)
MATH_FLOAT_(round)
MATH_FLOAT_(exp)
MATH_FLOAT_(log)
MATH_FLOAT_(log2)
MATH_FLOAT_(log10)
MATH_FLOAT_(sin)
MATH_FLOAT_(cos)
MATH_FLOAT_(tan)
MATH_FLOAT_(asin)
MATH_FLOAT_(acos)
MATH_FLOAT_(atan)
MATH_FLOAT2_(atan2)
MATH_FLOAT2_(pow)
MATH_FLOAT2_(fmod)
MATH_FLOAT2_(fmin)
MATH_FLOAT2_(fmax)
MATH_FLOAT2_(hypot)
MATH_FLOAT2_(copysign)
#undef MATH_FLOAT_
#undef MATH_FLOAT2_
