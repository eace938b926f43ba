/*
 * What a next run goes on from: how many pods there should be, which
 * processes there are, and what aibrix_scale_step remembers.
 *
 *	autoscale_live 1
 *	saved NS            of the wall's clock
 *	boot ID             processes are of this boot
 *	replicas N
 *	pod PORT PID BIRTH STARTED_NS READY
 *	demand BYTES        strategy tpa
 *	(so many bytes)
 *	state BYTES
 *	(so many bytes)
 *
 * The file is written beside the old one and renamed over it, so there is
 * always a whole one.  A lock keeps a second scaler away from the same pods.
 * A file that is damaged costs what it says, and nothing else: a scaler that
 * does not start is worse than one that has forgotten.
 */
#include "live/live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 64 << 20, PATH_BYTES = 4096, BOOT_BYTES = 64 };

static const char boot_path[] = "/proc/sys/kernel/random/boot_id";

/* The number of this boot; empty where it is not told. */
static void
boot_read(char *boot)
{
	FILE *file = fopen(boot_path, "re");
	size_t n = file ? fread(boot, 1, BOOT_BYTES - 1, file) : 0;

	if (file)
		fclose(file);
	boot[n] = '\0';
	boot[strcspn(boot, "\n ")] = '\0';
}

/* ---- save ---- */

static int
demand_write(const live *l, FILE *file)
{
	uint64_t cap = aibrix_demand_state_save_bytes(), n = 0;
	char *bytes = malloc(cap);
	int status = bytes ? aibrix_demand_state_save(l->demand_state, bytes,
						      cap, &n)
			   : AIBRIX_E_NOMEM;

	if (status == AIBRIX_OK) {
		fprintf(file, "demand %llu\n", (unsigned long long)n);
		fwrite(bytes, 1, n, file);
	}
	free(bytes);
	return status;
}

static int
state_write(const live *l, FILE *file, const char *bytes, uint64_t n,
	    uint64_t now_ns)
{
	char boot[BOOT_BYTES];

	boot_read(boot);
	fprintf(file, "autoscale_live 1\nsaved %llu\nboot %s\nreplicas %d\n",
		(unsigned long long)now_ns, boot[0] ? boot : "-",
		(int)l->replicas);
	for (uint32_t i = 0; i < l->n_pods; i++) {
		const live_pod *pod = &l->pods[i];

		if (pod->process.pid && pod->phase != LIVE_STOPPING)
			fprintf(file, "pod %u %ld %llu %llu %d\n",
				(unsigned)pod->port, (long)pod->process.pid,
				(unsigned long long)pod->process.birth,
				(unsigned long long)pod->started_ns,
				pod->phase == LIVE_READY);
	}
	if (l->demand_state && demand_write(l, file))
		return -1;
	fprintf(file, "state %llu\n", (unsigned long long)n);
	fwrite(bytes, 1, n, file);
	return fflush(file) || ferror(file) || fsync(fileno(file)) ? -1 : 0;
}

static int
state_replace(const live *l, const char *bytes, uint64_t n, uint64_t now_ns)
{
	char path[PATH_BYTES];
	FILE *file;
	int err;

	snprintf(path, sizeof(path), "%s.new", l->options.state);
	file = fopen(path, "we");
	if (!file)
		return -1;
	err = state_write(l, file, bytes, n, now_ns);
	if (fclose(file) != 0)
		err = -1;
	if (!err)
		err = rename(path, l->options.state);
	if (err)
		unlink(path);
	return err;
}

void
live_state_save(live *l, uint64_t now_ns)
{
	uint64_t cap = aibrix_scale_state_save_bytes(l->state), n = 0;
	char *bytes;
	int status;

	l->dirty = 0;
	if (!l->options.state)
		return;
	bytes = malloc(cap);
	status = bytes ? aibrix_scale_state_save(l->state, bytes, cap, &n)
		       : AIBRIX_E_NOMEM;
	errno = 0;
	if (status != AIBRIX_OK || state_replace(l, bytes, n, now_ns)) {
		l->counts.unsaved++;
		fprintf(stderr, "autoscale_live: %s: not saved: %s\n",
			l->options.state,
			errno ? strerror(errno) : aibrix_strerror(status));
	}
	free(bytes);
}

/* ---- load ---- */

typedef struct reader {
	char *at;
	char *end;
	uint64_t now_ns;
	uint64_t saved_ns;
	int same_boot;
} reader;

/* The next line, ended by a zero.  NULL: there is none. */
static char *
line_take(reader *in)
{
	size_t left = (size_t)(in->end - in->at);
	char *line = in->at;
	char *stop = left ? memchr(line, '\n', left) : NULL;

	if (!stop)
		return NULL;
	*stop = '\0';
	in->at = stop + 1;
	return line;
}

static live_pod *
pod_find(live *l, unsigned long long port)
{
	for (uint32_t i = 0; i < l->n_pods; i++)
		if (l->pods[i].port == port)
			return &l->pods[i];
	return NULL;
}

/* A pod is taken again when it is the same process. */
static int
pod_load(live *l, const reader *in, const char *line)
{
	unsigned long long port, birth, started;
	long pid;
	live_pod *pod;
	int ready, end = 0;

	if (sscanf(line, "pod %llu %ld %llu %llu %d%n", &port, &pid, &birth,
		   &started, &ready, &end) != 5 ||
	    line[end] || pid <= 1 || pid > INT32_MAX)
		return -1;
	pod = pod_find(l, port);
	if (!pod || pod->phase != LIVE_ABSENT) {
		fprintf(stderr,
			"autoscale_live: pod %llu is none of --ports: its "
			"process %ld is left alone\n",
			port, pid);
		return 0;
	}
	if (!in->same_boot ||
	    live_pod_adopt(l, pod, (pid_t)pid, birth, in->now_ns)) {
		live_say(l, pod, "gone", "process %ld of the last run is gone",
			 pid);
		return 0;
	}
	/* One that was still starting has the rest of its time. */
	pod->started_ns = started <= in->now_ns ? started : in->now_ns;
	if (ready)
		pod->phase = LIVE_READY;
	live_say(l, pod, "adopt", "adopted from the last run");
	return 0;
}

/* The wall's clock was set back: what was then is now. */
static int64_t
shift_read(const reader *in)
{
	return in->saved_ns > in->now_ns ? -(int64_t)(in->saved_ns - in->now_ns)
					 : 0;
}

static int
demand_load(live *l, reader *in, const char *line)
{
	unsigned long long bytes;
	int end = 0;

	if (sscanf(line, "demand %llu%n", &bytes, &end) != 1 || line[end] ||
	    bytes > (uint64_t)(in->end - in->at))
		return -1;
	/* Under another strategy nobody asks for it. */
	if (l->demand_state &&
	    aibrix_demand_state_load(l->demand_state, in->at, bytes,
				     shift_read(in)) != AIBRIX_OK)
		return -1;
	in->at += bytes;
	return 0;
}

static int
state_load(live *l, const reader *in, const char *line)
{
	unsigned long long bytes;
	int status, end = 0;

	if (sscanf(line, "state %llu%n", &bytes, &end) != 1 || line[end] ||
	    bytes != (uint64_t)(in->end - in->at))
		return -1;
	status = aibrix_scale_state_load(l->state, in->at, bytes,
					 shift_read(in));
	if (status == AIBRIX_E_INVAL)
		fprintf(stderr,
			"autoscale_live: %s is of other options: what it "
			"remembers is left out\n",
			l->options.state);
	return status == AIBRIX_E_INVAL ? 0 : status;
}

static int
header_load(live *l, reader *in)
{
	unsigned long long saved;
	char boot[BOOT_BYTES];
	const char *line = line_take(in);
	int replicas, end = 0;

	if (!line || strcmp(line, "autoscale_live 1") != 0)
		return -1;
	line = line_take(in);
	if (!line || sscanf(line, "saved %llu%n", &saved, &end) != 1 ||
	    line[end] || saved > INT64_MAX)
		return -1;
	in->saved_ns = saved;
	line = line_take(in);
	boot_read(boot);
	if (!line || strncmp(line, "boot ", 5) != 0)
		return -1;
	in->same_boot = boot[0] && strcmp(line + 5, boot) == 0;
	line = line_take(in);
	if (!line || sscanf(line, "replicas %d%n", &replicas, &end) != 1 ||
	    line[end] || replicas < 0)
		return -1;
	l->replicas =
		replicas < (int32_t)l->n_pods ? replicas : (int32_t)l->n_pods;
	return 0;
}

static int
text_load(live *l, reader *in)
{
	const char *line;

	if (header_load(l, in))
		return -1;
	while ((line = line_take(in)) != NULL) {
		int err;

		if (strncmp(line, "state ", 6) == 0)
			return state_load(l, in, line);
		if (strncmp(line, "demand ", 7) == 0)
			err = demand_load(l, in, line);
		else
			err = pod_load(l, in, line);
		if (err)
			return -1;
	}
	return -1;
}

/* -1: there is a file, and it cannot be read. */
static int
file_read(const char *path, char **text, size_t *n)
{
	FILE *file = fopen(path, "re");
	char *bytes;
	long size;

	*text = NULL;
	if (!file)
		return errno == ENOENT ? 0 : -1;
	if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 ||
	    size > FILE_BYTES_MAX || fseek(file, 0, SEEK_SET) != 0) {
		fclose(file);
		return -1;
	}
	bytes = malloc((size_t)size + 1);
	*n = bytes ? fread(bytes, 1, (size_t)size, file) : 0;
	fclose(file);
	*text = bytes;
	return bytes ? 0 : -1;
}

/* Held until this process ends, however it does. */
static int
lock_take(live *l)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_BYTES];

	if (strlen(l->options.state) > PATH_BYTES - 8)
		return live_fail("state", l->options.state, "too long");
	snprintf(path, sizeof(path), "%s.lock", l->options.state);
	l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (l->lock_fd < 0)
		return live_fail("state", l->options.state, strerror(errno));
	if (fcntl(l->lock_fd, F_SETLK, &lock) != 0)
		return live_fail("state", l->options.state,
				 "another autoscale_live has it");
	return 0;
}

static int
memory_make(live *l)
{
	uint64_t bytes = 0;

	if (aibrix_scale_state_bytes(&l->options.scale, &bytes) == AIBRIX_OK)
		l->memory = malloc(bytes);
	if (l->memory && live_demand_open(l) == 0 &&
	    aibrix_scale_state_init(&l->options.scale, l->memory, bytes,
				    &l->state) == AIBRIX_OK)
		return 0;
	fputs("autoscale_live: out of memory\n", stderr);
	return -1;
}

int
live_state_open(live *l)
{
	reader in = {.now_ns = live_now()};
	char *text = NULL;
	size_t n = 0;

	l->replicas =
		l->options.replicas >= 0 ? l->options.replicas : l->options.min;
	if (memory_make(l))
		return -1;
	if (!l->options.state)
		return 0;
	if (lock_take(l))
		return -1;
	if (file_read(l->options.state, &text, &n))
		return live_fail("state", l->options.state, "cannot be read");
	if (!text)
		return 0;
	in.at = text;
	in.end = text + n;
	if (text_load(l, &in))
		fprintf(stderr,
			"autoscale_live: %s is damaged: goes on with what "
			"could be read\n",
			l->options.state);
	free(text);
	return 0;
}

void
live_state_close(live *l)
{
	if (l->lock_fd >= 0)
		close(l->lock_fd);
	free(l->memory);
	free(l->demand_memory);
}
