/* Loaded into the daemon by LD_PRELOAD: counts the system calls that change what is on the card, and at the one
 * numbered `at` kills the process or lets it fail. strace can do neither: it counts for each thread and each kind of
 * call by itself, not for the process.
 *
 * Counted are calls upon paths below $CUT_UNDER, and descriptors of files there. What to do is in the file
 * $CUT_ORDERS, which whoever ordered it has mapped too, so it can be given at any moment of a process's life.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum how { OFF, COUNT, KILL, TORN, FAIL, FULL, NO_INODES, READ_ONLY };

struct orders {
    volatile int how;      /* enum how */
    volatile int at;       /* which call, from 0 */
    volatile int count;    /* calls seen */
    volatile int hits;     /* times it acted */
    char last[232];        /* the call it acted on last */
};

static struct orders *orders;
static const char *under;
static size_t under_length;
static pid_t ours;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CUT_ORDERS");
    under = getenv("CUT_UNDER");
    if (!path || !under || getenv("CUT_OWNER"))
        return; /* not ours, or a child of ours: openssl ... */
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    void *place = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (place == MAP_FAILED)
        return;
    under_length = strlen(under);
    ours = getpid();
    setenv("CUT_OWNER", "yes", 1);
    orders = place;
}

/* A process forked from the one that loaded this is the one to count in. */
void cut_this_process(void) { ours = getpid(); }

static int is_below(const char *path) {
    return !strncmp(path, under, under_length) && (path[under_length] == '/' || !path[under_length]);
}

static int path_of(int fd, char *found, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, found, size - 1);
    if (length < 0)
        return 0;
    found[length] = 0;
    return 1;
}

static int fd_counts(int fd) {
    char path[PATH_MAX];
    return path_of(fd, path, sizeof path) && is_below(path);
}

static int path_counts(int folder, const char *path) {
    char whole[2 * PATH_MAX], base[PATH_MAX];
    if (path[0] == '/')
        return is_below(path);
    if (folder == AT_FDCWD ? !getcwd(base, sizeof base) : !path_of(folder, base, sizeof base))
        return 0;
    snprintf(whole, sizeof whole, "%s/%s", base, path);
    return is_below(whole);
}

enum kind { GROWS, MAKES, CHANGES, REMOVES, SYNCS }; /* what a call needs of the card */

static int fails_with(enum how how, enum kind kind) {
    switch (how) {
    case FULL: return kind == GROWS || kind == MAKES ? ENOSPC : 0;
    case NO_INODES: return kind == MAKES ? ENOSPC : 0;
    case READ_ONLY: return kind == SYNCS ? 0 : EROFS;
    default: return 0;
    }
}

/* Whether the call goes on: 0, or the error it shall fail with. */
static int look(const char *name, enum kind kind, int counts, const char *on) {
    if (!orders || getpid() != ours || orders->how == OFF || !counts)
        return 0;
    int number = __atomic_fetch_add(&orders->count, 1, __ATOMIC_SEQ_CST);
    enum how how = orders->how;
    if (how == COUNT || number < orders->at)
        return 0;
    int error = 0;
    if (how == KILL || how == TORN || how == FAIL)
        error = number == orders->at ? EIO : 0;
    else
        error = fails_with(how, kind); /* and so from now on */
    if (!error)
        return 0;
    if (!orders->hits++)
        snprintf(orders->last, sizeof orders->last, "%s %s", name, on);
    if (how == KILL || (how == TORN && kind != GROWS)) {
        kill(getpid(), SIGKILL);
        pause();
    }
    return error;
}

#define REAL(type, name) \
    static type (*real)(); \
    if (!real) real = (type(*)())dlsym(RTLD_NEXT, name);
#define LOOK(name, kind, counts, on) \
    do { \
        int saved = errno, error = look(name, kind, counts, on); \
        errno = saved; \
        if (error) { errno = error; return -1; } \
    } while (0)

static const char *named(int fd) {
    static __thread char path[PATH_MAX];
    return path_of(fd, path, sizeof path) ? path : "?";
}

static int open_kind(int folder, const char *path, int flags, enum kind *kind) {
    struct stat there;
    int is_new = fstatat(folder, path, &there, AT_SYMLINK_NOFOLLOW) != 0;
    *kind = is_new ? MAKES : CHANGES;
    return ((flags & O_CREAT) && is_new) || (flags & O_TRUNC) || (flags & O_ACCMODE) != O_RDONLY;
}

#define OPEN(name, declaration, folder, call) \
    int name declaration { \
        int mode = 0; \
        enum kind kind; \
        if (flags & O_CREAT) { va_list rest; va_start(rest, flags); mode = va_arg(rest, int); va_end(rest); } \
        REAL(int, #name) \
        if (orders && orders->how != OFF && path_counts(folder, path) && open_kind(folder, path, flags, &kind)) \
            LOOK(#name, kind, 1, path); \
        return call; \
    }
OPEN(open, (const char *path, int flags, ...), AT_FDCWD, real(path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, real(path, flags, mode))
OPEN(openat, (int folder, const char *path, int flags, ...), folder, real(folder, path, flags, mode))
OPEN(openat64, (int folder, const char *path, int flags, ...), folder, real(folder, path, flags, mode))

/* A write that stays within the file needs no room. */
static enum kind write_kind(int fd, off_t from, size_t size) {
    struct stat there;
    if (fstat(fd, &there))
        return GROWS;
    if (from < 0)
        from = lseek(fd, 0, SEEK_CUR);
    return from + (off_t)size > there.st_size ? GROWS : CHANGES;
}

#define WRITE(name, declaration, from, size, whole, half) \
    ssize_t name declaration { \
        REAL(ssize_t, #name) \
        if (orders && orders->how != OFF && fd_counts(fd)) { \
            int saved = errno, error = look(#name, write_kind(fd, from, size), 1, named(fd)); \
            errno = saved; \
            if (error && orders->how == TORN) { half; kill(getpid(), SIGKILL); pause(); } \
            if (error) { errno = error; return -1; } \
        } \
        return whole; \
    }
WRITE(write, (int fd, const void *data, size_t size), -1, size, real(fd, data, size), real(fd, data, size / 2))
WRITE(pwrite, (int fd, const void *data, size_t size, off_t at), at, size, real(fd, data, size, at),
      real(fd, data, size / 2, at))
WRITE(pwrite64, (int fd, const void *data, size_t size, off_t at), at, size, real(fd, data, size, at),
      real(fd, data, size / 2, at))

#define ON_FD(name, kind, declaration, call) \
    int name declaration { \
        REAL(int, #name) \
        if (orders && orders->how != OFF) LOOK(#name, kind, fd_counts(fd), named(fd)); \
        return call; \
    }
ON_FD(fsync, SYNCS, (int fd), real(fd))
ON_FD(fdatasync, SYNCS, (int fd), real(fd))
ON_FD(ftruncate, CHANGES, (int fd, off_t size), real(fd, size))
ON_FD(ftruncate64, CHANGES, (int fd, off_t size), real(fd, size))
ON_FD(fchmod, CHANGES, (int fd, mode_t mode), real(fd, mode))
ON_FD(fchown, CHANGES, (int fd, uid_t user, gid_t group), real(fd, user, group))
ON_FD(fallocate, GROWS, (int fd, int mode, off_t from, off_t size), real(fd, mode, from, size))
ON_FD(fallocate64, GROWS, (int fd, int mode, off_t from, off_t size), real(fd, mode, from, size))

#define TAKES_ROOM(name) \
    int name(int fd, off_t from, off_t size) { /* gives the error, does not set it */ \
        REAL(int, #name) \
        if (orders && orders->how != OFF) { \
            int error = look(#name, GROWS, fd_counts(fd), named(fd)); \
            if (error) return error; \
        } \
        return real(fd, from, size); \
    }
TAKES_ROOM(posix_fallocate)
TAKES_ROOM(posix_fallocate64)

#define ON_PATH(name, kind, declaration, folder, path, call) \
    int name declaration { \
        REAL(int, #name) \
        if (orders && orders->how != OFF) LOOK(#name, kind, path_counts(folder, path), path); \
        return call; \
    }
ON_PATH(rename, CHANGES, (const char *from, const char *to), AT_FDCWD, to, real(from, to))
ON_PATH(renameat, CHANGES, (int f, const char *from, int t, const char *to), t, to, real(f, from, t, to))
ON_PATH(link, CHANGES, (const char *from, const char *to), AT_FDCWD, to, real(from, to))
ON_PATH(linkat, CHANGES, (int f, const char *from, int t, const char *to, int flags), t, to, real(f, from, t, to, flags))
ON_PATH(symlink, MAKES, (const char *from, const char *to), AT_FDCWD, to, real(from, to))
ON_PATH(symlinkat, MAKES, (const char *from, int t, const char *to), t, to, real(from, t, to))
ON_PATH(unlink, REMOVES, (const char *path), AT_FDCWD, path, real(path))
ON_PATH(unlinkat, REMOVES, (int folder, const char *path, int flags), folder, path, real(folder, path, flags))
ON_PATH(rmdir, REMOVES, (const char *path), AT_FDCWD, path, real(path))
/* Where the name is taken, the card is not asked for anything. */
static int is_free(int folder, const char *path) {
    struct stat there;
    return path_counts(folder, path) && fstatat(folder, path, &there, AT_SYMLINK_NOFOLLOW) != 0;
}
#define MAKE_FOLDER(name, declaration, folder, call) \
    int name declaration { \
        REAL(int, #name) \
        if (orders && orders->how != OFF) LOOK(#name, MAKES, is_free(folder, path), path); \
        return call; \
    }
MAKE_FOLDER(mkdir, (const char *path, mode_t mode), AT_FDCWD, real(path, mode))
MAKE_FOLDER(mkdirat, (int folder, const char *path, mode_t mode), folder, real(folder, path, mode))
ON_PATH(truncate, CHANGES, (const char *path, off_t size), AT_FDCWD, path, real(path, size))
ON_PATH(truncate64, CHANGES, (const char *path, off_t size), AT_FDCWD, path, real(path, size))
ON_PATH(chmod, CHANGES, (const char *path, mode_t mode), AT_FDCWD, path, real(path, mode))
ON_PATH(fchmodat, CHANGES, (int folder, const char *path, mode_t mode, int flags), folder, path,
        real(folder, path, mode, flags))
