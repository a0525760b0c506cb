/*
 * tests/host/tempdir.h - a folder of its own for a host test of tools: `dir`.
 */
#pragma once

#include "tools/common/util.h"

#include <stdio.h>
#include <stdlib.h>

static char dir[] = "/tmp/ingot-test.XXXXXX";

static void tempdir_make(void)
{
    if (!mkdtemp(dir))
        util_die("no temporary directory");
}

/* With all that is in it. */
static void tempdir_remove(void)
{
    if (system(util_printf("rm -rf %s", dir)) != 0) {
        printf("can't remove %s\n", dir);
        exit(1);
    }
}
