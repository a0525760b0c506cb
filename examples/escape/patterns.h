/*
 * escape/patterns.h - the five classic reasons for an allocation, each with its cure.
 *
 * x_heap() is how it is often written, x_stack() the cure; both do the same once. bench/escape.c
 * counts what they allocate (docs/escape.md has the figures).
 */
#pragma once

#include <rt/rt.h>

double returned_heap(int i);
double returned_stack(int i);
long closure_heap(const int *a, size_t n);
long closure_stack(const int *a, size_t n);
long boxing_heap(long i);
long boxing_stack(long i);
long slice_heap(int n);
long slice_stack(int n);
long goroutine_heap(chan(long) results, long i);
long goroutine_stack(chan(long) results, long i);
