/*
 * One process and its group.
 *
 * A pod is the leader of a process group, and what is left of the group ends
 * with it: a worker that outlives its engine would keep a GPU's memory.  The
 * end is seen through a descriptor of the process (pidfd), which works for
 * children and for processes of an earlier run alike, so there is no handler
 * of SIGCHLD and no list to race with.
 *
 * A number of a process says little after a restart: it may be somebody
 * else's by then.  With the time of its birth it cannot.
 */
#define _GNU_SOURCE
#include "live/live_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORD_MAX = 4096, WORDS_MAX = 512 };

extern char **environ;

static int
process_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* The 22nd number of /proc/PID/stat; 0: it cannot be read. */
static uint64_t
process_birth(pid_t pid)
{
	char path[64], line[1024];
	unsigned long long birth = 0;
	const char *at;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	n = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[n] = '\0';
	at = strrchr(line, ')'); /* names may have anything in them */
	for (int i = 0; at && i < 20; i++)
		at = strchr(at + 1, ' ');
	if (at)
		birth = strtoull(at + 1, NULL, 10);
	return birth;
}

/* word with {port} and {index} put in.  NULL: too long, or no memory. */
static char *
word_make(const char *word, const live_command *command)
{
	char *out = malloc(WORD_MAX);
	size_t n = 0;
	int wrote;

	while (out && *word && n < WORD_MAX) {
		if (strncmp(word, "{port}", 6) == 0) {
			wrote = snprintf(out + n, WORD_MAX - n, "%u",
					 (unsigned)command->port);
			word += 6;
		} else if (strncmp(word, "{index}", 7) == 0) {
			wrote = snprintf(out + n, WORD_MAX - n, "%u",
					 (unsigned)command->index);
			word += 7;
		} else {
			out[n] = *word++;
			wrote = 1;
		}
		n += (size_t)wrote;
	}
	if (out && n < WORD_MAX) {
		out[n] = '\0';
		return out;
	}
	free(out);
	return NULL;
}

static void
words_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

static char **
words_make(const live_command *command)
{
	char **words = calloc((size_t)command->n_words + 1, sizeof(*words));

	for (uint32_t i = 0; words && i < command->n_words; i++) {
		words[i] = word_make(command->words[i], command);
		if (!words[i]) {
			words_free(words);
			return NULL;
		}
	}
	return words;
}

/* A pod gets its three descriptors and no other: neither ours, nor those
 * that we were started with, nor those of libraries. */
static void
descriptors_keep(void)
{
	DIR *folder = opendir("/proc/self/fd");
	const struct dirent *entry;

	while (folder && (entry = readdir(folder)) != NULL) {
		int fd = atoi(entry->d_name);

		if (fd > STDERR_FILENO)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	if (folder)
		closedir(folder);
}

/* What it prints: to its own file, or to our stderr. */
static int
actions_set(posix_spawn_file_actions_t *actions, const live_command *command)
{
	char path[4096];
	int err = posix_spawn_file_actions_addopen(actions, STDIN_FILENO,
						   "/dev/null", O_RDONLY, 0);

	if (!err && command->log_dir) {
		int n = snprintf(path, sizeof(path), "%s/%u.log",
				 command->log_dir, (unsigned)command->port);

		if (n < 0 || (size_t)n >= sizeof(path))
			return ENAMETOOLONG;
		err = posix_spawn_file_actions_addopen(
			actions, STDERR_FILENO, path,
			O_WRONLY | O_CREAT | O_APPEND, 0640);
	}
	if (!err)
		err = posix_spawn_file_actions_adddup2(actions, STDERR_FILENO,
						       STDOUT_FILENO);
	return err;
}

/* A group of its own, and signals as they are by default: we block some. */
static int
attributes_set(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	err = posix_spawnattr_setflags(
		attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
				    POSIX_SPAWN_SETSIGDEF);
	if (!err)
		err = posix_spawnattr_setpgroup(attributes, 0);
	if (!err)
		err = posix_spawnattr_setsigmask(attributes, &none);
	if (!err)
		err = posix_spawnattr_setsigdefault(attributes, &all);
	return err;
}

static int
process_spawn(const live_command *command, char **words, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int err = posix_spawn_file_actions_init(&actions);

	if (err)
		return err;
	err = posix_spawnattr_init(&attributes);
	if (!err) {
		err = actions_set(&actions, command);
		if (!err)
			err = attributes_set(&attributes);
		if (!err) {
			descriptors_keep();
			err = posix_spawnp(
				pid, words[0], &actions, &attributes, words,
				command->env ? command->env : environ);
		}
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

/* A kernel without descriptors of processes is not one for us. */
static int
process_take(live_process *process, pid_t pid, int adopted)
{
	live_process taken = {.pid = pid, .adopted = adopted};
	int err = 0;

	taken.fd = process_open(pid);
	if (taken.fd < 0)
		return errno;
	taken.birth = process_birth(pid);
	if (taken.birth == 0)
		err = ESRCH;
	if (err)
		close(taken.fd);
	else
		*process = taken;
	return err;
}

int
live_process_start(live_process *process, const live_command *command)
{
	char **words = words_make(command);
	pid_t pid = 0;
	int err;

	if (!words)
		return ENOMEM;
	err = process_spawn(command, words, &pid);
	words_free(words);
	if (err)
		return err;
	err = process_take(process, pid, 0);
	if (err) {
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return err;
}

/* 1: the leader has ended. */
static int
leader_ended(const live_process *process)
{
	struct pollfd fd = {.fd = process->fd, .events = POLLIN};

	return poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN);
}

int
live_process_adopt(live_process *process, pid_t pid, uint64_t birth)
{
	live_process taken = {0};
	int err;

	if (pid <= 1 || birth == 0)
		return ESRCH;
	/* The descriptor first: what it is of cannot change any more. */
	err = process_take(&taken, pid, 1);
	if (err)
		return err;
	if (taken.birth != birth || getpgid(pid) != pid) {
		close(taken.fd);
		return ESRCH;
	}
	if (leader_ended(&taken)) { /* and nobody has asked how */
		kill(-pid, SIGKILL);
		close(taken.fd);
		return ESRCH;
	}
	*process = taken;
	return 0;
}

void
live_process_signal(const live_process *process, int number)
{
	/* As long as the leader was not reaped its number is nobody else's. */
	if (process->pid && !leader_ended(process))
		kill(-process->pid, number);
}

int
live_process_ended(live_process *process, live_ending *how)
{
	int status = 0;

	*how = (live_ending){.code = -1};
	if (!process->pid || !leader_ended(process))
		return 0;
	/* Before the child is reaped: its number is still its group's. */
	kill(-process->pid, SIGKILL);
	if (!process->adopted &&
	    waitpid(process->pid, &status, 0) == process->pid) {
		how->known = 1;
		if (WIFEXITED(status))
			how->code = WEXITSTATUS(status);
		if (WIFSIGNALED(status))
			how->signal = WTERMSIG(status);
	}
	live_process_leave(process);
	return 1;
}

void
live_process_leave(live_process *process)
{
	if (process->pid)
		close(process->fd);
	*process = (live_process){0};
}

int
live_port_free(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;
	int is_free;

	if (fd < 0)
		return 1; /* the pod will see */
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	is_free = bind(fd, (const struct sockaddr *)&address,
		       sizeof(address)) == 0 ||
		  errno != EADDRINUSE;
	close(fd);
	return is_free;
}
