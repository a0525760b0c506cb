/*
 * gc/init.h - starting the collector.
 */
#pragma once

/* Boot cpu, once: after mm and sched_init(), before the first goroutine. fatal() if there is no
 * memory for it. */
void gc_init(void);
