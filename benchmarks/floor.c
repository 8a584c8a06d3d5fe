/*
 * The least that a container start can cost: clone with namespaces, mounts, pivot_root, exec, wait.
 *
 * usage: floor COUNT ROOT PROGRAM NET     (NET: 0 or 1, a network namespace too)
 * Prints one line a start: nanoseconds from before clone until the program has run and was reaped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void need(int failed, const char *what)
{
	if (failed) {
		fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
		_exit(1);
	}
}

static void become_container(const char *root, const char *program)
{
	char *const argv[] = { (char *)program, NULL };
	char *const environment[] = { "PATH=/bin:/sbin", "container=floor", NULL };

	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
	need(mount(root, root, NULL, MS_BIND | MS_REC, NULL), "bind the root");
	need(chdir(root), "enter the root");
	need(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "mount proc");
	need(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL) &&
	     errno != EPERM, "mount sys");
	need(mount("dev", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536"), "mount dev");
	need(mkdirat(AT_FDCWD, "dev/pts", 0755), "make dev/pts");
	need(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance"),
	     "mount devpts");
	need(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	need(umount2(".", MNT_DETACH), "detach the old root");
	need(sethostname("floor", 5), "set the host name");
	execve(program, argv, environment);
	need(1, program);
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	int count, flags, status;

	if (argc != 5) {
		fprintf(stderr, "usage: floor COUNT ROOT PROGRAM NET\n");
		return 2;
	}
	count = atoi(argv[1]);
	flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | SIGCHLD;
	if (atoi(argv[4]))
		flags |= CLONE_NEWNET;
	for (int i = 0; i < count; i++) {
		long long began = now();
		pid_t child = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);

		need(child < 0, "clone");
		if (child == 0)
			become_container(argv[2], argv[3]);
		need(waitpid(child, &status, 0) != child, "wait");
		if (status != 0) {
			fprintf(stderr, "floor: the program ended with status %d\n", status);
			return 1;
		}
		printf("%lld\n", now() - began);
	}
	return 0;
}
