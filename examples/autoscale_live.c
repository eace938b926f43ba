/*
 * autoscale_live: what the author of an autoscaler starts from.
 *
 *	every tick    ask each pod for its metrics page
 *	              aibrix_scale_step decides how many pods there should be
 *	always        start, stop and restart processes until there are
 *
 * One thread, and one place where it waits: for sockets, signals and ends of
 * processes alike.  So nothing that is slow holds anything else, and there is
 * nothing to lock.  Here pods are processes of this machine; with another
 * live_process.c they are those of a cluster.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "live/live.h"

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * LIVE_SECOND_NS + (uint64_t)now.tv_nsec;
}

uint64_t
live_now(void)
{
	static uint64_t began_ns, wall_ns;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	if (!began_ns) {
		began_ns = now_ns;
		wall_ns = clock_ns(CLOCK_REALTIME);
	}
	return wall_ns + (now_ns - began_ns);
}

/* Signals are read like everything else. */
static int
signals_open(live *l)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	l->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (l->signal_fd >= 0)
		return 0;
	fprintf(stderr, "autoscale_live: signalfd: %s\n", strerror(errno));
	return -1;
}

static void
end_begin(live *l, int ending, uint64_t now_ns)
{
	l->ending = ending;
	l->dirty = 1;
	l->deadline_ns = 0;
	if (ending != LIVE_END_LEAVE)
		live_pods_stop(l, ending == LIVE_END_KILL, now_ns);
}

static void
signals_take(live *l, uint64_t now_ns)
{
	struct signalfd_siginfo info;

	while (read(l->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1 && !l->options.state) {
			live_say(l, NULL, "no-state",
				 "goes on: without --state nobody could take "
				 "its pods over");
		} else if (info.ssi_signo == SIGUSR1 && !l->ending) {
			live_say(l, NULL, "leave", "ends, and leaves its pods");
			end_begin(l, LIVE_END_LEAVE, now_ns);
		} else if (info.ssi_signo != SIGUSR1) {
			live_say(l, NULL, "end", "ends, and stops its pods");
			end_begin(l, l->ending ? LIVE_END_KILL : LIVE_END_STOP,
				  now_ns);
		}
	}
}

static uint64_t
due_next(const live *l)
{
	uint64_t due_ns = AIBRIX_FOREVER;

	if (!l->ending)
		due_ns = l->deadline_ns ? l->deadline_ns : l->tick_ns;
	for (uint32_t i = 0; i < LIVE_CLIENTS_MAX; i++)
		if (l->clients[i].fd >= 0 && l->clients[i].until_ns < due_ns)
			due_ns = l->clients[i].until_ns;
	return live_pods_due(l, due_ns);
}

/* Until something happens, or is due. */
static void
wait_next(live *l, uint64_t now_ns)
{
	struct curl_waitfd fds[LIVE_PODS_MAX + LIVE_CLIENTS_MAX + 2];
	uint64_t due_ns = due_next(l);
	uint32_t n = 0;

	fds[n++] = (struct curl_waitfd){l->signal_fd, CURL_WAIT_POLLIN, 0};
	if (l->listen_fd >= 0)
		fds[n++] =
			(struct curl_waitfd){l->listen_fd, CURL_WAIT_POLLIN, 0};
	for (uint32_t i = 0; i < LIVE_CLIENTS_MAX; i++) {
		const live_client *client = &l->clients[i];

		if (client->fd >= 0)
			fds[n++] = (struct curl_waitfd){
				client->fd,
				client->answer ? CURL_WAIT_POLLOUT
					       : CURL_WAIT_POLLIN,
				0};
	}
	for (uint32_t i = 0; i < l->n_pods; i++)
		if (l->pods[i].process.pid)
			fds[n++] = (struct curl_waitfd){l->pods[i].process.fd,
							CURL_WAIT_POLLIN, 0};
	live_fetcher_wait(&l->fetcher, fds, n,
			  due_ns > now_ns ? due_ns - now_ns : 0);
}

static void
tick(live *l, uint64_t now_ns)
{
	if (!l->deadline_ns && now_ns >= l->tick_ns)
		live_tick_begin(l, now_ns);
	if (l->deadline_ns && !live_pages_wait(l)) {
		live_tick_decide(l, now_ns);
		if (l->options.ticks &&
		    l->tick_count >= (uint64_t)l->options.ticks) {
			end_begin(l, LIVE_END_STOP, now_ns);
			return;
		}
	}
	/* Bounds may have changed since the last run: ask first. */
	if (l->tick_count)
		live_pods_settle(l, now_ns);
}

/* 1: there is nothing left to do. */
static int
turn(live *l)
{
	uint64_t now_ns;

	wait_next(l, live_now());
	now_ns = live_now();
	signals_take(l, now_ns);
	live_pods_watch(l, now_ns);
	live_pages_take(l, now_ns);
	live_listen_serve(l, now_ns);
	if (!l->ending)
		tick(l, now_ns);
	if (l->dirty)
		live_state_save(l, now_ns);
	return l->ending == LIVE_END_LEAVE ||
	       (l->ending && live_pods_alive(l) == 0);
}

/* -1: a message was printed. */
static int
live_open(live *l)
{
	if (live_fetcher_open(&l->fetcher, l->options.page_bytes)) {
		fputs("autoscale_live: libcurl does not start\n", stderr);
		return -1;
	}
	if (signals_open(l) || live_pods_open(l))
		return -1;
	if (l->options.gateway_url &&
	    live_fetch_open(&l->gateway, &l->fetcher, l->options.gateway_url)) {
		fputs("autoscale_live: out of memory\n", stderr);
		return -1;
	}
	return live_listen_open(l) || live_state_open(l) ? -1 : 0;
}

static void
live_close(live *l)
{
	live_listen_close(l);
	live_pods_close(l);
	live_fetch_close(&l->gateway, &l->fetcher);
	live_fetcher_close(&l->fetcher);
	live_state_close(l);
	if (l->signal_fd >= 0)
		close(l->signal_fd);
}

int
main(int argc, char **argv)
{
	static live l; /* 300 KiB */
	int code = EXIT_FAILURE;
	int parsed = live_options_parse(&l.options, argc, argv);

	if (parsed > 0)
		live_help_print();
	if (parsed != 0) {
		live_options_free(&l.options);
		return parsed > 0 ? EXIT_SUCCESS : LIVE_EXIT_USAGE;
	}
	l.lock_fd = l.signal_fd = l.listen_fd = -1;
	for (uint32_t i = 0; i < LIVE_CLIENTS_MAX; i++)
		l.clients[i].fd = -1;
	if (live_open(&l) == 0) {
		l.tick_ns = live_now();
		while (!turn(&l))
			;
		code = EXIT_SUCCESS;
	}
	live_close(&l);
	live_options_free(&l.options);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("autoscale_live: stdout cannot be written\n", stderr);
		code = EXIT_FAILURE;
	}
	return code;
}
