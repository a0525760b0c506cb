/*
 * lang/input.h - console input. Programs use rt_read_line() (rt/print.h).
 */
#pragma once

/* Look out for the key that prints all goroutines (knob infokey). A goroutine; once. */
void input_start(void);
