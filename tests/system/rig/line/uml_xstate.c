/* For processors with AMX: user-mode Linux up to 6.12 hands back 2,696 bytes of a process's floating-point state, and
 * the kernel below takes only the whole, which is larger there ("userspace - ptrace set fp regs failed, errno = 14").
 * Put before the C library (LD_PRELOAD), this hands back the whole: what user-mode Linux knows, and behind it what was
 * there. Its own kernel stacks are small, and it runs in one thread, so the buffer is static.
 * Sources: Linux arch/x86/kernel/fpu/regset.c (xstateregs_set), arch/x86/um/os-Linux/registers.c. */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

static char whole[65536];

static long ask(long request, long process, void *address, void *data) {
	return syscall(SYS_ptrace, request, process, address, data);
}

static void *with_the_rest(long process, void *address, struct iovec *state) {
	static struct iovec all;

	all.iov_base = whole;
	all.iov_len = sizeof whole;
	if (ask(PTRACE_GETREGSET, process, address, &all) < 0 || all.iov_len <= state->iov_len)
		return state;
	memcpy(whole, state->iov_base, state->iov_len);
	return &all;
}

long ptrace(enum __ptrace_request request, ...) {
	va_list rest;
	long process, answer, word;
	void *address, *data;

	va_start(rest, request);
	process = va_arg(rest, long);
	address = va_arg(rest, void *);
	data = va_arg(rest, void *);
	va_end(rest);
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		answer = ask(request, process, address, &word);
		if (answer < 0)
			return answer;
		errno = 0;
		return word;
	}
	if (request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE)
		data = with_the_rest(process, address, data);
	return ask(request, process, address, data);
}
