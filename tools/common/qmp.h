/*
 * tools/common/qmp.h - QEMU's control channel (QMP= of tools/run.sh). One at a time; what goes wrong
 * ends the tool.
 */
#pragma once

/* Connect to the unix socket at `path`. */
void qmp_connect(const char *path);

/* What QEMU's monitor says to a command line, on behalf of one cpu. */
char *qmp_monitor(const char *command, unsigned cpu);

/* End the machine, and wait until it has: QEMU forgets what a channel that closes had still to say. */
void qmp_quit(void);
