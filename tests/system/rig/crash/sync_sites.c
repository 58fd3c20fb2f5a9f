/* Loaded by LD_PRELOAD: names each place of SQLite that makes something durable, and leaves out one of them.
 *
 * Python's own calls of fsync are named by `sync_sites.py`, and bypass this. A place is named by its call, its file,
 * and where in SQLite it is (the return addresses behind it), so a commit and a checkpoint are two. Behind each call
 * that changes a file the kernel's lazy writing can be played, at its most eager: all is written out at once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static char below[PATH_MAX], left_out[256];
static size_t below_length;
static int report = -1, eager = -1, none_at_all;
static int headers, frames; /* written to SQLite's log since it was last made durable */

/* From now on, for files below `under`. `omitted`: the place to leave out, "*" for all. `said`: a descriptor that
 * gets each place's name in a line. `folder`: a descriptor there, if all is to be written at once; else -1. */
void sync_sites(const char *under, const char *omitted, int said, int folder) {
    snprintf(below, sizeof below, "%s", under);
    snprintf(left_out, sizeof left_out, "%s", omitted);
    below_length = strlen(below);
    none_at_all = !strcmp(left_out, "*");
    report = said;
    eager = folder;
}

static int path_of(int fd, char *found) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, found, PATH_MAX - 1);
    if (length < 0)
        return 0;
    found[length] = 0;
    return !strncmp(found, below, below_length);
}

static void caller(char *found, size_t size) {
    void *frames[8];
    uint32_t hash = 2166136261u;
    int count = backtrace(frames, 8);
    for (int each = 2; each < count && each < 5; each++) {
        Dl_info where;
        if (!dladdr(frames[each], &where) || !strstr(where.dli_fname, "sqlite"))
            break;
        hash = (hash ^ (uint32_t)((char *)frames[each] - (char *)where.dli_fbase)) * 16777619u;
    }
    snprintf(found, size, "%08x", hash);
}

static const char *what(const char *path) {
    const char *end = strrchr(path, '-');
    if (!end || strcmp(end, "-wal"))
        return "";
    const char *found = frames ? " (frames)" : headers ? " (its head)" : " (nothing new)";
    headers = frames = 0;
    return found;
}

static __attribute__((noinline)) int is_left_out(const char *call, int fd) {
    char path[PATH_MAX], from[16], name[2 * PATH_MAX];
    if (!below_length || !path_of(fd, path))
        return 0;
    if (none_at_all)
        return 1;
    caller(from, sizeof from);
    snprintf(name, sizeof name, "sqlite: %s of %s%s at %s", call, path[below_length] ? path + below_length + 1 : "the folder",
             what(path), from);
    if (report >= 0) {
        char line[2 * PATH_MAX + 2];
        int length = snprintf(line, sizeof line, "%s\n", name);
        syscall(SYS_write, report, line, length);
    }
    return !strcmp(name, left_out);
}

int fsync(int fd) { return is_left_out("fsync", fd) ? 0 : syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return is_left_out("fdatasync", fd) ? 0 : syscall(SYS_fdatasync, fd); }

static void lazily(int64_t result) {
    if (eager >= 0 && result >= 0)
        syscall(SYS_syncfs, eager);
}

static void lazily_of(int fd, int64_t result) {
    char path[PATH_MAX];
    if (eager >= 0 && path_of(fd, path))
        lazily(result);
}

static void written_at(int fd, size_t size, off_t at, int64_t result) {
    char path[PATH_MAX];
    if (below_length && path_of(fd, path)) {
        const char *end = strrchr(path, '-');
        if (end && !strcmp(end, "-wal"))
            *(at == 0 && size == 32 ? &headers : &frames) = 1;
        lazily(result);
    }
}

#define REAL(type, name) \
    static type (*real)(); \
    if (!real) real = (type(*)())dlsym(RTLD_NEXT, #name);
#define AFTER(type, name, declaration, call, then) \
    type name declaration { \
        REAL(type, name) \
        type result = call; \
        then; \
        return result; \
    }
AFTER(ssize_t, write, (int fd, const void *data, size_t size), real(fd, data, size), lazily_of(fd, result))
AFTER(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), real(fd, data, size, at),
      written_at(fd, size, at, result))
AFTER(ssize_t, pwrite64, (int fd, const void *data, size_t size, off_t at), real(fd, data, size, at),
      written_at(fd, size, at, result))
AFTER(int, ftruncate, (int fd, off_t size), real(fd, size), lazily_of(fd, result))
AFTER(int, ftruncate64, (int fd, off_t size), real(fd, size), lazily_of(fd, result))
AFTER(int, rename, (const char *from, const char *to), real(from, to), lazily(result))
AFTER(int, renameat, (int f, const char *from, int t, const char *to), real(f, from, t, to), lazily(result))
AFTER(int, link, (const char *from, const char *to), real(from, to), lazily(result))
AFTER(int, linkat, (int f, const char *from, int t, const char *to, int flags), real(f, from, t, to, flags), lazily(result))
AFTER(int, unlink, (const char *path), real(path), lazily(result))
AFTER(int, unlinkat, (int folder, const char *path, int flags), real(folder, path, flags), lazily(result))
AFTER(int, mkdir, (const char *path, mode_t mode), real(path, mode), lazily(result))
