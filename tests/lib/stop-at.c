// SPDX-License-Identifier: BSD-2-Clause
/*
 * Kill a program and all of its children by SIGKILL just before the Nth system call that changes something below a path, and
 * log the writes to one file, so that a test can replay a power cut between any two writes.
 *
 *   stop-at N PREFIX [LOG] -- COMMAND...   N = 0 ends nothing.  Prints the number of such calls.
 *
 * LOG gets "W offset length\n" and the bytes for each write to the file PREFIX, and "F\n" for each fsync.
 * Exit code: the command's, or 137 if it was ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

static const char *prefix;
static unsigned long stop_at, seen;
static FILE *log_file;

static bool below(const char *path)
{
	size_t n = strlen(prefix);

	return !strncmp(path, prefix, n);
}

static bool fd_below(pid_t pid, uint64_t fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, (int)fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = 0;
	return below(path);
}

/* PATH as process PID sees it, which may have changed its root. */
static bool below_root(pid_t pid, const char *path)
{
	char link[64], full[2 * PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/root", pid);
	n = readlink(link, full, PATH_MAX);
	if (n <= 1)
		n = 0;
	snprintf(full + n, sizeof(full) - n, "%s", path);
	return below(full);
}

/* True also for a relative name, if its directory is below the path. */
static bool name_below(pid_t pid, uint64_t at, uint64_t name)
{
	char path[PATH_MAX] = "", link[64];
	struct iovec local = { path, sizeof(path) - 1 }, remote = { (void *)name, sizeof(path) - 1 };
	ssize_t n;

	/* The page after the string may not be mapped: do not read across the end of a page. */
	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) < 0) {
		local.iov_len = remote.iov_len = 4096 - name % 4096;
		if (process_vm_readv(pid, &local, 1, &remote, 1, 0) < 0)
			return false;
	}
	if (path[0] == '/')
		return below_root(pid, path);
	if ((int)at != AT_FDCWD)
		return fd_below(pid, at);
	snprintf(link, sizeof(link), "/proc/%d/cwd", pid);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = 0;
	return below(path);
}

/* The calls of changes() and log_call(): stopping at all calls would make the program ten times as slow. */
static const unsigned int calls[] = {
	SYS_write, SYS_pwrite64, SYS_writev, SYS_ftruncate, SYS_fallocate, SYS_fchmod, SYS_fchown, SYS_copy_file_range,
	SYS_openat, SYS_open, SYS_unlink, SYS_rmdir, SYS_mkdir, SYS_rename, SYS_chmod, SYS_truncate, SYS_unlinkat, SYS_mkdirat,
	SYS_renameat, SYS_renameat2, SYS_fchmodat, SYS_fchownat, SYS_fsync, SYS_fdatasync,
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* Install the filter for this process and its children; they need a tracer. */
static void filter_calls(void)
{
	struct sock_filter code[CALLS + 3];
	struct sock_fprog program = { .len = CALLS + 3, .filter = code };
	size_t i;

	code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (i = 0; i < CALLS; i++)
		code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], CALLS - i, 0);
	code[CALLS + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[CALLS + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("stop-at: seccomp");
		_exit(127);
	}
}

static bool changes(pid_t pid, const struct user_regs_struct *r)
{
	switch (r->orig_rax) {
	case SYS_write:
	case SYS_pwrite64:
	case SYS_writev:
	case SYS_ftruncate:
	case SYS_fallocate:
	case SYS_fchmod:
	case SYS_fchown:
		return fd_below(pid, r->rdi);
	case SYS_copy_file_range:
		return fd_below(pid, r->rdx);
	case SYS_openat:
		return (r->rdx & (O_CREAT | O_TRUNC)) && name_below(pid, r->rdi, r->rsi);
	case SYS_open:
		return (r->rsi & (O_CREAT | O_TRUNC)) && name_below(pid, AT_FDCWD, r->rdi);
	case SYS_unlink:
	case SYS_rmdir:
	case SYS_mkdir:
	case SYS_rename:
	case SYS_chmod:
	case SYS_truncate:
		return name_below(pid, AT_FDCWD, r->rdi);
	case SYS_unlinkat:
	case SYS_mkdirat:
	case SYS_renameat:
	case SYS_renameat2:
	case SYS_fchmodat:
	case SYS_fchownat:
		return name_below(pid, r->rdi, r->rsi);
	}
	return false;
}

static void log_data(pid_t pid, uint64_t at, uint64_t offset, uint64_t length)
{
	char *data = malloc(length);
	struct iovec local = { data, length }, remote = { (void *)at, length };

	if (!data || process_vm_readv(pid, &local, 1, &remote, 1, 0) != (ssize_t)length) {
		fprintf(stderr, "stop-at: what is written cannot be read: %s\n", strerror(errno));
		exit(2);
	}
	fprintf(log_file, "W %llu %llu\n", (unsigned long long)offset, (unsigned long long)length);
	fwrite(data, 1, length, log_file);
	free(data);
}

static uint64_t position(pid_t pid, uint64_t fd)
{
	unsigned long long pos = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, (int)fd);
	f = fopen(path, "r");
	if (f) {
		if (fscanf(f, "pos: %llu", &pos) != 1)
			pos = 0;
		fclose(f);
	}
	return pos;
}

static void log_call(pid_t pid, const struct user_regs_struct *r)
{
	if (r->orig_rax == SYS_write && fd_below(pid, r->rdi))
		log_data(pid, r->rsi, position(pid, r->rdi), r->rdx);
	else if (r->orig_rax == SYS_pwrite64 && fd_below(pid, r->rdi))
		log_data(pid, r->rsi, r->r10, r->rdx);
	else if ((r->orig_rax == SYS_fsync || r->orig_rax == SYS_fdatasync) && fd_below(pid, r->rdi))
		fputs("F\n", log_file);
}

static void at_entry(pid_t pid)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, pid, 0, &r))
		return;
	if (log_file)
		log_call(pid, &r);
	if (changes(pid, &r) && ++seen == stop_at) {
		printf("%lu\n", seen);
		fflush(stdout);
		/* PTRACE_O_EXITKILL: everybody dies with this process, before the call is done. */
		_exit(137);
	}
}

static void trace(pid_t child)
{
	int status, code = 0, sig;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid == child)
				code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			continue;
		}
		sig = 0;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
			at_entry(pid);
		} else if (!(status >> 16) && WSTOPSIG(status) != SIGSTOP) {
			sig = WSTOPSIG(status);
		}
		ptrace(PTRACE_CONT, pid, 0, sig);
	}
	printf("%lu\n", seen);
	fflush(stdout);
	if (log_file)
		fclose(log_file);
	exit(code);
}

int main(int argc, char **argv)
{
	int i = 3, status;
	pid_t child;

	if (argc > 4 && strcmp(argv[3], "--")) {
		log_file = fopen(argv[3], "w");
		i = 4;
	}
	if (argc <= i + 1 || strcmp(argv[i], "--")) {
		fprintf(stderr, "usage: stop-at N PREFIX [LOG] -- COMMAND...\n");
		return 2;
	}
	stop_at = strtoul(argv[1], NULL, 10);
	prefix = argv[2];
	child = fork();
	if (child == 0) {
		raise(SIGSTOP);
		filter_calls();
		execvp(argv[i + 1], argv + i + 1);
		_exit(127);
	}
	waitpid(child, &status, WUNTRACED);
	if (ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
		   PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)) {
		perror("stop-at: ptrace");
		return 2;
	}
	kill(child, SIGCONT);
	trace(child);
}
