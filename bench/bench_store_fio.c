/*
 * fio, the program, as the peer of the file store: io_uring, O_DIRECT, blocks
 * of the same size, as many in flight, those of a file of the same size in
 * random order.  Its own figure counts, without its start.
 *
 * It registers its buffers, which doubles what it reads here, and goes over
 * the file twice.  Where so much memory may not be locked it does without.
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_store.h"

enum { REPORT_BYTES = 1 << 16, WORDS = 16, WORD_BYTES = 600 };

/* Runs in the child. */
static void
fio_exec(char word[][WORD_BYTES], int n, int out)
{
	static char name[] = "fio";
	char *argv[WORDS] = {name};
	int null = open("/dev/null", O_WRONLY);

	for (int i = 0; i < n; i++)
		argv[i + 1] = word[i];
	if (null < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0)
		_exit(127);
	execvp("fio", argv);
	_exit(127);
}

/* What it prints, as a string; its exit status, or -1. */
static int
fio_run(char word[][WORD_BYTES], int n, char *report)
{
	size_t used = 0;
	ssize_t got = 1;
	int fds[2], status;
	pid_t pid;

	bench_check(pipe(fds) == 0, "a pipe");
	pid = fork();
	bench_check(pid >= 0, "fork");
	if (pid == 0)
		fio_exec(word, n, fds[1]);
	close(fds[1]);
	while (got > 0 && used < REPORT_BYTES - 1) {
		got = read(fds[0], report + used, REPORT_BYTES - 1 - used);
		used += got > 0 ? (size_t)got : 0;
	}
	report[used] = 0;
	close(fds[0]);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int
fio_do(const struct fio *fio, const char *what, const struct work *w,
       char *report)
{
	char word[WORDS - 2][WORD_BYTES];
	int n = 0;

	snprintf(word[n++], WORD_BYTES, "--name=bench");
	snprintf(word[n++], WORD_BYTES, "--filename=%s", fio->path);
	snprintf(word[n++], WORD_BYTES, "--rw=%s", what);
	snprintf(word[n++], WORD_BYTES, "--bs=%llu",
		 (unsigned long long)w->bytes);
	snprintf(word[n++], WORD_BYTES, "--size=%llu",
		 (unsigned long long)w->bytes * w->n);
	snprintf(word[n++], WORD_BYTES, "--iodepth=%u", w->depth);
	snprintf(word[n++], WORD_BYTES, "--ioengine=io_uring");
	snprintf(word[n++], WORD_BYTES, "--direct=1");
	snprintf(word[n++], WORD_BYTES, "--loops=2");
	snprintf(word[n++], WORD_BYTES, "--output-format=json");
	if (fio->registered)
		snprintf(word[n++], WORD_BYTES, "--fixedbufs=1");
	return fio_run(word, n, report);
}

int
fio_open(struct fio *fio, const char *dir, const struct work *w)
{
	static char report[REPORT_BYTES];

	snprintf(fio->path, sizeof(fio->path), "%s/aibrix-bench-fio-%d", dir,
		 (int)getpid());
	fio->registered = 1;
	if (fio_do(fio, "write", w, report) == 0)
		return 1;
	fio->registered = 0;
	return fio_do(fio, "write", w, report) == 0;
}

double
fio_time(const struct fio *fio, uint32_t op, const struct work *w)
{
	static char report[REPORT_BYTES];
	int get = op == AIBRIX_STORE_GET;
	const char *at, *rate = NULL;

	if (fio_do(fio, get ? "randread" : "randwrite", w, report))
		return NAN;
	at = strstr(report, get ? "\"read\" : {" : "\"write\" : {");
	if (at)
		rate = strstr(at, "\"bw_bytes\" : ");
	return rate ? 1e9 / strtod(rate + strlen("\"bw_bytes\" : "), NULL)
		    : NAN;
}
