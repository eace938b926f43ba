#define _GNU_SOURCE

#include "cases.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { FAILED = 1, SKIPPED = 77, REASON = 1024 };

static char *reason; /* shared with the case */
static int failed;

void
case_failed(const char *file, int line, const char *what, const char *format,
	    ...)
{
	va_list args;

	failed = 1;
	printf("# %s:%d: %s: ", file, line, what);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

void
case_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, REASON, format, args);
	va_end(args);
	for (char *c = reason; *c; c++)
		if (*c == '\n')
			*c = ' ';
	fflush(stdout);
	/* What failed before was not a reason to skip. */
	_exit(failed ? FAILED : SKIPPED);
}

void
case_abort(const char *format, ...)
{
	va_list args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	_exit(FAILED);
}

static int
case_run(const struct fault_case *c, unsigned int seconds)
{
	pid_t parent = getpid(), pid;
	int status;

	fflush(stdout);
	reason[0] = 0;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(FAILED);
		alarm(seconds);
		c->run();
		fflush(stdout);
		/* With what is registered for the end: a leak is looked for. */
		exit(failed ? FAILED : 0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return FAILED;
	if (WIFSIGNALED(status))
		printf("# ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

int
cases_run(const struct fault_case *cases, size_t n, const char *only,
	  unsigned int seconds_each)
{
	int bad = 0, number = 0;

	reason = mmap(NULL, REASON, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (reason == MAP_FAILED)
		return FAILED;
	printf("TAP version 13\n");
	for (size_t i = 0; i < n; i++) {
		int status;

		if (only && !strstr(cases[i].name, only))
			continue;
		status = case_run(&cases[i], seconds_each);
		bad += status != 0 && status != SKIPPED;
		printf("%s %d - %s%s%s\n",
		       status == 0 || status == SKIPPED ? "ok" : "not ok",
		       ++number, cases[i].name,
		       status == SKIPPED ? " # SKIP " : "",
		       status == SKIPPED ? reason : "");
	}
	printf("1..%d\n", number);
	return bad != 0;
}
