/* Loaded by LD_PRELOAD: what a process does to files below one folder.
 *
 * Each place of SQLite that makes something durable is named, and one can be left out (those of Python:
 * `sync_sites.py`). A place is named by its call, its file, and where in SQLite it is, so a commit and a checkpoint
 * are two. Each call that changes a file can be noted with all it wrote, for `strict_files`; and behind each the
 * kernel's lazy writing can be played, at its most eager: all is written out at once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char below[PATH_MAX], left_out[256];
static size_t below_length;
static int report = -1, eager = -1, notes = -1, none_at_all;
static int headers, frames; /* written to SQLite's log since it was last made durable */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* From now on, for files below `under`. `omitted`: the place to leave out, "*" for all. `said`: a descriptor that
 * gets each place's name in a line. `folder`: a descriptor there, if all is to be written at once. `noted`: one that
 * gets each call. -1: not wanted. */
void watch_calls(const char *under, const char *omitted, int said, int folder, int noted) {
    snprintf(below, sizeof below, "%s", under);
    snprintf(left_out, sizeof left_out, "%s", omitted);
    below_length = strlen(below);
    none_at_all = !strcmp(left_out, "*");
    report = said;
    eager = folder;
    notes = noted;
}

static int is_below(const char *path) {
    return below_length && !strncmp(path, below, below_length) && (path[below_length] == '/' || !path[below_length]);
}

static const char *within(const char *path) { return path[below_length] ? path + below_length + 1 : "."; }

static int path_of(int fd, char *found) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, found, PATH_MAX - 1);
    if (length < 0)
        return 0;
    found[length] = 0;
    return 1;
}

static int whole(int folder, const char *path, char *found) {
    char base[PATH_MAX];
    if (path[0] == '/')
        snprintf(found, PATH_MAX, "%s", path);
    else if (folder == AT_FDCWD ? getcwd(base, sizeof base) != NULL : path_of(folder, base))
        snprintf(found, PATH_MAX, "%s/%s", base, path);
    else
        return 0;
    return is_below(found);
}

/* A line (call, path, other path, offset, length), then the data. The caller has the lock. */
static void note(const char *call, const char *path, const char *other, off_t at, const void *data, size_t size) {
    char line[2 * PATH_MAX + 64];
    if (notes < 0)
        return;
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\t%lld\t%zu\n", call, path, other, (long long)at, data ? size : 0);
    struct iovec parts[2] = {{line, length}, {(void *)data, data ? size : 0}};
    syscall(SYS_writev, notes, parts, 2);
}

static void write_out(void) {
    if (eager >= 0)
        syscall(SYS_syncfs, eager);
}

/* fsync or fdatasync, as Python calls it once it has a name. */
int sync_now(int fd, int only_data) {
    char path[PATH_MAX];
    int result = syscall(only_data ? SYS_fdatasync : SYS_fsync, fd);
    if (!result && path_of(fd, path) && is_below(path)) {
        pthread_mutex_lock(&one_at_a_time);
        note("sync", within(path), "", 0, NULL, 0);
        pthread_mutex_unlock(&one_at_a_time);
    }
    return result;
}

static void caller(char *found, size_t size) {
    void *places[8];
    uint32_t hash = 2166136261u;
    int count = backtrace(places, 8);
    for (int each = 2; each < count && each < 5; each++) {
        Dl_info where;
        if (!dladdr(places[each], &where) || !strstr(where.dli_fname, "sqlite"))
            break;
        hash = (hash ^ (uint32_t)((char *)places[each] - (char *)where.dli_fbase)) * 16777619u;
    }
    snprintf(found, size, "%08x", hash);
}

static int is_log(const char *path) {
    const char *end = strrchr(path, '-');
    return end && !strcmp(end, "-wal");
}

static const char *what(const char *path) {
    if (!is_log(path))
        return "";
    const char *found = frames ? " (frames)" : headers ? " (its head)" : " (nothing new)";
    headers = frames = 0;
    return found;
}

static __attribute__((noinline)) int is_left_out(const char *call, int fd) {
    char path[PATH_MAX], from[16], name[2 * PATH_MAX];
    if (!path_of(fd, path) || !is_below(path))
        return 0;
    if (none_at_all)
        return 1;
    caller(from, sizeof from);
    snprintf(name, sizeof name, "sqlite: %s of %s%s at %s", call, path[below_length] ? within(path) : "the folder",
             what(path), from);
    if (report >= 0) {
        char line[2 * PATH_MAX + 2];
        int length = snprintf(line, sizeof line, "%s\n", name);
        syscall(SYS_write, report, line, length);
    }
    return !strcmp(name, left_out);
}

int fsync(int fd) { return is_left_out("fsync", fd) ? 0 : sync_now(fd, 0); }
int fdatasync(int fd) { return is_left_out("fdatasync", fd) ? 0 : sync_now(fd, 1); }

#define REAL(type, name) \
    static type (*real)(); \
    if (!real) real = (type(*)())dlsym(RTLD_NEXT, #name);

/* On a descriptor: `then` notes what it did, with its file's path. */
#define ON_FD(type, name, declaration, call, then) \
    type name declaration { \
        char path[PATH_MAX]; \
        REAL(type, name) \
        if (!below_length || !path_of(fd, path) || !is_below(path)) \
            return call; \
        pthread_mutex_lock(&one_at_a_time); \
        off_t from = lseek(fd, 0, SEEK_CUR); \
        type result = call; \
        int saved = errno; \
        if (result >= 0) { then; write_out(); } \
        (void)from; \
        pthread_mutex_unlock(&one_at_a_time); \
        errno = saved; \
        return result; \
    }

static void wrote(const char *path, off_t at, const void *data, size_t size) {
    if (is_log(path))
        *(at == 0 && size == 32 ? &headers : &frames) = 1;
    note("write", within(path), "", at, data, size);
}

static void wrote_parts(const char *path, off_t at, const struct iovec *parts, int count, ssize_t left) {
    for (int each = 0; each < count && left > 0; each++) {
        size_t size = parts[each].iov_len < (size_t)left ? parts[each].iov_len : (size_t)left;
        wrote(path, at, parts[each].iov_base, size);
        at += size;
        left -= size;
    }
}

static void wrote_unseen(const char *path, int fd, off_t at, ssize_t left) {
    static char piece[1 << 16];
    char again[64];
    snprintf(again, sizeof again, "/proc/self/fd/%d", fd);
    int reading = syscall(SYS_openat, AT_FDCWD, again, O_RDONLY | O_CLOEXEC, 0);
    while (left > 0) {
        ssize_t got = pread(reading, piece, left < (ssize_t)sizeof piece ? (size_t)left : sizeof piece, at);
        if (got <= 0)
            break;
        wrote(path, at, piece, got);
        at += got;
        left -= got;
    }
    close(reading);
}

#define WITH_OFFSET (int fd, const void *data, size_t size, off_t at)
ON_FD(ssize_t, write, (int fd, const void *data, size_t size), real(fd, data, size), wrote(path, from, data, result))
ON_FD(ssize_t, pwrite, WITH_OFFSET, real(fd, data, size, at), wrote(path, at, data, result))
ON_FD(ssize_t, pwrite64, WITH_OFFSET, real(fd, data, size, at), wrote(path, at, data, result))
ON_FD(ssize_t, writev, (int fd, const struct iovec *parts, int count), real(fd, parts, count),
      wrote_parts(path, from, parts, count, result))
ON_FD(ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t at), real(fd, parts, count, at),
      wrote_parts(path, at, parts, count, result))
ON_FD(ssize_t, pwritev64, (int fd, const struct iovec *parts, int count, off_t at), real(fd, parts, count, at),
      wrote_parts(path, at, parts, count, result))
ON_FD(ssize_t, sendfile, (int fd, int source, off_t *at, size_t size), real(fd, source, at, size),
      wrote_unseen(path, fd, from, result))
ON_FD(ssize_t, sendfile64, (int fd, int source, off_t *at, size_t size), real(fd, source, at, size),
      wrote_unseen(path, fd, from, result))
ON_FD(int, ftruncate, (int fd, off_t size), real(fd, size), note("truncate", within(path), "", size, NULL, 0))
ON_FD(int, ftruncate64, (int fd, off_t size), real(fd, size), note("truncate", within(path), "", size, NULL, 0))
ON_FD(int, posix_fallocate, (int fd, off_t at, off_t size), real(fd, at, size),
      if (!result) note("allocate", within(path), "", at + size, NULL, 0))
ON_FD(int, posix_fallocate64, (int fd, off_t at, off_t size), real(fd, at, size),
      if (!result) note("allocate", within(path), "", at + size, NULL, 0))

/* copy_file_range has its target third; Python falls back to reading and writing. */
ssize_t copy_file_range(int from, off_t *at, int to, off_t *there, size_t size, unsigned flags) {
    errno = ENOSYS;
    return -1;
}

#define ON_PATHS(name, declaration, call, f, from, t, to) \
    int name declaration { \
        char path[PATH_MAX] = "", other[PATH_MAX] = ""; \
        REAL(int, name) \
        if (!below_length || !whole(f, from, path) || (*(to) && !whole(t, to, other))) \
            return call; \
        pthread_mutex_lock(&one_at_a_time); \
        int result = call, saved = errno; \
        if (!result) { note(#name, within(path), *other ? within(other) : "", 0, NULL, 0); write_out(); } \
        pthread_mutex_unlock(&one_at_a_time); \
        errno = saved; \
        return result; \
    }
ON_PATHS(rename, (const char *from, const char *to), real(from, to), AT_FDCWD, from, AT_FDCWD, to)
ON_PATHS(renameat, (int f, const char *from, int t, const char *to), real(f, from, t, to), f, from, t, to)
ON_PATHS(link, (const char *from, const char *to), real(from, to), AT_FDCWD, from, AT_FDCWD, to)
ON_PATHS(linkat, (int f, const char *from, int t, const char *to, int flags), real(f, from, t, to, flags), f, from, t, to)
ON_PATHS(unlink, (const char *path_), real(path_), AT_FDCWD, path_, 0, "")
ON_PATHS(unlinkat, (int folder, const char *path_, int flags), real(folder, path_, flags), folder, path_, 0, "")
ON_PATHS(rmdir, (const char *path_), real(path_), AT_FDCWD, path_, 0, "")
ON_PATHS(mkdir, (const char *path_, mode_t mode), real(path_, mode), AT_FDCWD, path_, 0, "")
ON_PATHS(mkdirat, (int folder, const char *path_, mode_t mode), real(folder, path_, mode), folder, path_, 0, "")

#define OPEN(name, declaration, folder) \
    int name declaration { \
        char path[PATH_MAX]; \
        struct stat there; \
        int mode = 0; \
        if (flags & O_CREAT) { va_list rest; va_start(rest, flags); mode = va_arg(rest, int); va_end(rest); } \
        if (!(flags & (O_CREAT | O_TRUNC)) || !whole(folder, path_, path)) \
            return syscall(SYS_openat, folder, path_, flags, mode); \
        pthread_mutex_lock(&one_at_a_time); \
        int is_new = fstatat(AT_FDCWD, path, &there, AT_SYMLINK_NOFOLLOW) != 0; \
        int result = syscall(SYS_openat, folder, path_, flags, mode), saved = errno; \
        if (result >= 0 && is_new) \
            note("make", within(path), "", 0, NULL, 0); \
        else if (result >= 0 && flags & O_TRUNC) \
            note("truncate", within(path), "", 0, NULL, 0); \
        if (result >= 0) \
            write_out(); \
        pthread_mutex_unlock(&one_at_a_time); \
        errno = saved; \
        return result; \
    }
OPEN(open, (const char *path_, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *path_, int flags, ...), AT_FDCWD)
OPEN(openat, (int folder, const char *path_, int flags, ...), folder)
OPEN(openat64, (int folder, const char *path_, int flags, ...), folder)
