/* One process and its group. */
#ifndef LIVE_PROCESS_H
#define LIVE_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

typedef struct live_process {
	pid_t pid;      /* 0: none */
	int fd;         /* readable when it has ended */
	int adopted;    /* not our child */
	uint64_t birth; /* of the kernel's clock: pid and it are never another
			   process */
} live_process;

typedef struct live_command {
	char *const *words;
	uint32_t n_words;
	uint16_t port;
	uint32_t index;
	const char *log_dir; /* NULL: its lines go to our stderr */
	char *const *env;    /* NULL: ours */
} live_command;

/* How a process ended. */
typedef struct live_ending {
	int known;  /* 0: an adopted one */
	int code;   /* that it returned; -1: none */
	int signal; /* that ended it; 0: none */
} live_ending;

/* 0, or an errno. */
int live_process_start(live_process *process, const live_command *command);
/* 0, or an errno: ESRCH when that process is no more. */
int live_process_adopt(live_process *process, pid_t pid, uint64_t birth);
/* To all of its group. */
void live_process_signal(const live_process *process, int number);
/* 1: it has ended, nothing of its group is left, and process is none. */
int live_process_ended(live_process *process, live_ending *how);
/* Forget it: it goes on. */
void live_process_leave(live_process *process);
/* 1: nobody listens on a port of this machine's loopback. */
int live_port_free(uint16_t port);

#endif
