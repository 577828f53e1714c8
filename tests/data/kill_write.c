/* Preloaded into a recorder: kills the process at its KILL_AT-th pwrite. With KILL_HALF set, the
 * part of that write up to the next page border is done before: the kernel stops the write of a
 * killed process nowhere else. Without KILL_AT, the number of writes is told on stderr at the end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAGE = 4096 };

static long count;

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    static ssize_t (*write_at)(int, const void *, size_t, off64_t);
    const char *kill_at = getenv("KILL_AT");
    if (!write_at)
        write_at = dlsym(RTLD_NEXT, "pwrite64");
    if (kill_at && atol(kill_at) == ++count) {
        size_t first = PAGE - offset % PAGE;
        if (getenv("KILL_HALF") && first < size)
            write_at(fd, data, first, offset);
        kill(getpid(), SIGKILL);
    } else if (!kill_at) {
        ++count;
    }
    return write_at(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite64(fd, data, size, offset);
}

__attribute__((destructor)) static void tell(void)
{
    if (!getenv("KILL_AT"))
        fprintf(stderr, "writes %ld\n", count);
}
