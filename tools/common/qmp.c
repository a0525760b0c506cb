/*
 * tools/common/qmp.c - QEMU's control channel: just enough JSON for one reply at a time.
 */
#include "tools/common/qmp.h"
#include "tools/common/util.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int qmp_fd = -1;

static void qmp_send(const char *line)
{
    size_t n = strlen(line);

    while (n > 0) {
        ssize_t k = write(qmp_fd, line, n);
        if (k <= 0)
            util_die("the control channel: %s", strerror(errno));
        line += k;
        n -= (size_t)k;
    }
}

static char *qmp_line(void)
{
    char *line = NULL;
    size_t n = 0, cap = 0;

    for (;;) {
        char c;
        if (read(qmp_fd, &c, 1) != 1)
            util_die("the control channel ended");
        if (c == '\n')
            break;
        UTIL_PUSH(line, n, cap) = c;
    }
    UTIL_PUSH(line, n, cap) = '\0';
    return line;
}

/* The JSON string behind "return": with its escapes undone. */
static char *qmp_reply(void)
{
    for (;;) {
        char *line = qmp_line(), *at;
        if (strstr(line, "\"error\"") != NULL)
            util_die("QEMU says %s", line);
        if ((at = strstr(line, "\"return\": ")) == NULL)
            continue; /* greeting, event */
        at += strlen("\"return\": ");
        if (*at++ != '"')
            return util_printf("%s", at);
        char *out = util_alloc(strlen(at) + 1), *p = out;
        for (; *at != '\0' && *at != '"'; at++) {
            if (*at == '\\' && at[1] != '\0')
                at++, *p++ = *at == 'n' ? '\n' : *at == 'r' ? ' ' : *at;
            else
                *p++ = *at;
        }
        return out;
    }
}

char *qmp_monitor(const char *command, unsigned cpu)
{
    char *quoted = util_alloc(2 * strlen(command) + 1), *p = quoted;

    for (const char *c = command; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            *p++ = '\\';
        *p++ = *c;
    }
    qmp_send(
        util_printf("{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"%s\","
                    "\"cpu-index\":%u}}\n",
                    quoted, cpu));
    return qmp_reply();
}

void qmp_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    qmp_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (qmp_fd < 0 || connect(qmp_fd, (struct sockaddr *)&address, sizeof address) != 0)
        util_die("%s: %s", path, strerror(errno));
    qmp_send("{\"execute\":\"qmp_capabilities\"}\n");
    qmp_reply();
}

void qmp_quit(void)
{
    char rest[256];

    qmp_send("{\"execute\":\"quit\"}\n");
    while (read(qmp_fd, rest, sizeof rest) > 0)
        ;
    close(qmp_fd);
}
