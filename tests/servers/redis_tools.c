/*
 * One server: a folder, a configuration file, a child process.
 *
 * It is up when it answers PING on the Unix socket in its own folder.  That
 * cannot be somebody else's server, and Redis opens the socket after its TCP
 * ports, or ends when it cannot have those: then other ports are tried.
 */

#define _GNU_SOURCE

#include "redis_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "temp_path.h"

enum { PATH_BYTES = 512, ATTEMPTS = 5, REPLY_BYTES = 1024 };

int
redis__reason(char *reason, size_t cap, int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, cap, format, args);
	va_end(args);
	return status;
}

int
redis__program(const char *name, char *path, size_t cap)
{
	const char *at = getenv("PATH");

	if (strchr(name, '/')) {
		snprintf(path, cap, "%s", name);
		return access(path, X_OK) == 0;
	}
	while (at && *at) {
		size_t n = strcspn(at, ":");

		snprintf(path, cap, "%.*s/%s", (int)n, at, name);
		if (access(path, X_OK) == 0)
			return 1;
		at += n + (at[n] == ':');
	}
	return 0;
}

static void
process_end(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* In the child: only calls that are safe after fork. */
_Noreturn static void
child_exec(const char *const *argv, pid_t parent, int out, int netns)
{
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || null < 0)
		_exit(127);
	if (netns && setns(netns, CLONE_NEWNET))
		_exit(127);
	dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
	/* It does not write through the pointers. */
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* argv[0] is a path; out is the child's output.  The pid, or -1. */
static pid_t
child_start(const char *const *argv, int out, int netns)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0)
		child_exec(argv, parent, out, netns);
	return pid;
}

static size_t
output_read(int fd, char *out, size_t cap)
{
	char rest[256];
	size_t n = 0;

	for (;;) {
		int full = n + 1 >= cap;
		ssize_t got = read(fd, full ? rest : out + n,
				   full ? sizeof(rest) : cap - 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += full ? 0 : (size_t)got;
	}
	out[n] = 0;
	return n;
}

int
redis_run(const char *const *argv, char *out, size_t cap)
{
	const char *words[64] = {0};
	char path[PATH_BYTES];
	int ends[2], status;
	pid_t pid;

	out[0] = 0;
	for (size_t i = 1; i < 63 && argv[i]; i++)
		words[i] = argv[i];
	words[0] = path;
	if (!redis__program(argv[0], path, sizeof(path)) || pipe(ends))
		return -1;
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	pid = child_start(words, ends[1], 0);
	close(ends[1]);
	if (pid > 0)
		output_read(ends[0], out, cap);
	close(ends[0]);
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
folder_new(struct redis_server *server)
{
	struct temp_path path = temp_template(TEMP_FOLDER_MOST);

	if (!mkdtemp(path.text))
		return redis__reason(server->reason, sizeof(server->reason),
				     REDIS_FAILED, "no folder %s: %s",
				     path.text, strerror(errno));
	snprintf(server->folder, sizeof(server->folder), "%.79s", path.text);
	snprintf(server->socket, sizeof(server->socket), "%s/socket",
		 server->folder);
	return 0;
}

static void
config_tls(const struct redis_server *server, const struct redis_opts *opts,
	   FILE *file)
{
	const char *folder =
		opts->tls_like ? opts->tls_like->folder : server->folder;

	fprintf(file, "tls-port %d\n", server->tls_port);
	fprintf(file, "tls-cert-file \"%s/server.crt\"\n", folder);
	fprintf(file, "tls-key-file \"%s/server.key\"\n", folder);
	fprintf(file, "tls-ca-cert-file \"%s\"\n", server->ca);
	fprintf(file, "tls-auth-clients %s\n",
		opts->tls == REDIS_TLS_CLIENTS ? "yes" : "no");
}

static int
config_write(const struct redis_server *server, const struct redis_opts *opts)
{
	char path[PATH_BYTES];
	FILE *file;

	snprintf(path, sizeof(path), "%s/redis.conf", server->folder);
	file = fopen(path, "w");
	if (!file)
		return -1;
	fprintf(file, "port %d\n", server->port);
	fprintf(file, "bind 127.0.0.1%s\n", server->has_ipv6 ? " ::1" : "");
	fprintf(file, "unixsocket \"%s\"\n", server->socket);
	fprintf(file, "dir \"%s\"\n", server->folder);
	fprintf(file, "logfile \"%s/log\"\n", server->folder);
	fprintf(file, "save \"\"\nappendonly no\ndaemonize no\n");
	/* A test that fills the server's queue of connections finds its end. */
	fprintf(file, "tcp-backlog 128\n");
	if (opts->password)
		fprintf(file, "requirepass \"%s\"\n", opts->password);
	if (opts->tls)
		config_tls(server, opts, file);
	for (size_t i = 0; opts->lines && opts->lines[i]; i++)
		fprintf(file, "%s\n", opts->lines[i]);
	return fclose(file);
}

/* The end of the log, for whoever asks why it did not start. */
static int
started_not(struct redis_server *server, const char *what)
{
	char path[PATH_BYTES], tail[301];
	size_t n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/log", server->folder);
	file = fopen(path, "r");
	if (!file) {
		snprintf(path, sizeof(path), "%s/output", server->folder);
		file = fopen(path, "r");
	}
	if (file) {
		if (fseek(file, -300, SEEK_END))
			rewind(file);
		n = fread(tail, 1, sizeof(tail) - 1, file);
		fclose(file);
	}
	tail[n] = 0;
	return redis__reason(server->reason, sizeof(server->reason),
			     REDIS_FAILED, "redis-server %s: %s", what, tail);
}

static int
answers(const struct redis_server *server)
{
	int fd = talk_unix(server->socket);
	char reply[REPLY_BYTES];
	int good;

	if (fd < 0)
		return 0;
	/* "+PONG" and "-NOAUTH ..." are answers alike. */
	good = talk_line(fd, "PING") == 0 &&
	       talk_reply(fd, reply, sizeof(reply)) > 0 &&
	       strncmp(reply, "-LOADING", 8) != 0;
	close(fd);
	return good;
}

/* Starts the process with the file that is there, and waits for it. */
static int
process_start(struct redis_server *server)
{
	char path[PATH_BYTES], file[PATH_BYTES];
	const char *const argv[] = {path, file, NULL};
	int64_t end = talk_now_ms() + TALK_HANG_MS;
	int out;

	if (!redis__program("redis-server", path, sizeof(path)))
		return redis__reason(server->reason, sizeof(server->reason),
				     REDIS_ABSENT,
				     "redis-server is not installed");
	/* Of the former process, which may have been killed. */
	unlink(server->socket);
	snprintf(file, sizeof(file), "%s/output", server->folder);
	out = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	snprintf(file, sizeof(file), "%s/redis.conf", server->folder);
	server->pid = child_start(argv, out, server->netns);
	close(out);
	if (server->pid < 0) {
		server->pid = 0;
		return started_not(server, "cannot be forked");
	}
	while (!answers(server)) {
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
			server->pid = 0;
			return started_not(server, "ended");
		}
		if (talk_now_ms() > end) {
			redis_kill(server);
			return started_not(server, "does not answer");
		}
		talk_watch(server->pid);
	}
	return 0;
}

static void
ports_release(struct redis_server *server)
{
	for (size_t i = 0; i < 2; i++) {
		if (server->reserved[i] >= 0)
			close(server->reserved[i]);
		server->reserved[i] = -1;
	}
	server->port = server->tls_port = 0;
}

static int
attempt(struct redis_server *server, const struct redis_opts *opts)
{
	ports_release(server);
	server->port = redis__port(&server->reserved[0]);
	if (opts->tls)
		server->tls_port = redis__port(&server->reserved[1]);
	if (!server->port || (opts->tls && !server->tls_port))
		return redis__reason(server->reason, sizeof(server->reason),
				     REDIS_FAILED, "no free port");
	if (config_write(server, opts))
		return started_not(server, "got no configuration");
	return process_start(server);
}

static int
prepare(struct redis_server *server, const struct redis_opts *opts)
{
	char path[PATH_BYTES];
	int status;

	memset(server, 0, sizeof(*server));
	server->reserved[0] = server->reserved[1] = -1;
	if (!redis__program("redis-server", path, sizeof(path)))
		return redis__reason(server->reason, sizeof(server->reason),
				     REDIS_ABSENT,
				     "redis-server is not installed");
	server->has_ipv6 = redis__has_ipv6();
	server->netns = opts->netns;
	if (opts->password)
		snprintf(server->password, sizeof(server->password), "%s",
			 opts->password);
	status = folder_new(server);
	if (!status && opts->tls)
		status = redis__certificates(server, opts);
	return status;
}

/* Only then another attempt, with another port, has a chance. */
static int
port_was_taken(const struct redis_server *server)
{
	return strstr(server->reason, "in use") != NULL;
}

int
redis_start(struct redis_server *server, const struct redis_opts *opts)
{
	static const struct redis_opts plain;
	char reason[sizeof(server->reason)];
	int status = prepare(server, opts ? opts : &plain), left = ATTEMPTS;

	if (status == 0)
		do
			status = attempt(server, opts ? opts : &plain);
		while (status && port_was_taken(server) && --left > 0);
	if (status == 0)
		return 0;
	memcpy(reason, server->reason, sizeof(reason));
	redis_stop(server);
	memcpy(server->reason, reason, sizeof(reason));
	return status;
}

void
redis_kill(struct redis_server *server)
{
	if (server->pid > 0)
		process_end(server->pid);
	server->pid = 0;
	server->stalled = 0;
}

void
redis_stop(struct redis_server *server)
{
	if (!server->folder[0])
		return;
	redis_kill(server);
	ports_release(server);
	temp_path_remove(server->folder);
	server->folder[0] = 0;
}

int
redis_restart(struct redis_server *server)
{
	redis_kill(server);
	return process_start(server);
}

/* Waits until the kernel says so: a signal alone is only on its way. */
void
redis_stall(struct redis_server *server)
{
	int status;

	kill(server->pid, SIGSTOP);
	while (waitpid(server->pid, &status, WUNTRACED) < 0 && errno == EINTR)
		;
	server->stalled = 1;
}

void
redis_resume(struct redis_server *server)
{
	int status;

	kill(server->pid, SIGCONT);
	while (waitpid(server->pid, &status, WCONTINUED) < 0 && errno == EINTR)
		;
	server->stalled = 0;
}

int
redis_dial(const struct redis_server *server)
{
	const char *const words[] = {"AUTH", server->password};
	int fd = talk_unix(server->socket);
	char reply[REPLY_BYTES];

	if (fd < 0 || !server->password[0])
		return fd;
	if (talk_command(fd, words, 2) == 0 &&
	    talk_reply(fd, reply, sizeof(reply)) > 0 && reply[0] == '+')
		return fd;
	close(fd);
	return -1;
}

ssize_t
redis_ask(const struct redis_server *server, const char *line, char *reply,
	  size_t cap)
{
	int fd = redis_dial(server);
	ssize_t n = -1;

	reply[0] = 0;
	if (fd < 0)
		return -1;
	if (talk_line(fd, line) == 0)
		n = talk_reply(fd, reply, cap);
	close(fd);
	return n;
}

int
redis_says(const struct redis_server *server, const char *line,
	   const char *reply)
{
	char got[REPLY_BYTES];

	return redis_ask(server, line, got, sizeof(got)) >= 0 &&
	       strcmp(got, reply) == 0;
}
