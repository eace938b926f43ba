/*
 * autoscale_live: what its files share.
 *
 *	live_options.c   the command line          live_help.c    --help
 *	live_fetch.c     pages over HTTP, several at once, bounded
 *	live_process.c   one process: start, adopt, signal, end
 *	live_pods.c      the pods: which to start, stop, restart, give up
 *	live_decide.c    from pages to a decision of aibrix_scale_step
 *	live_demand.c    the same for strategy tpa
 *	live_state.c     what a next run goes on from
 *	live_report.c    what is said, as lines or as JSON
 *	live_listen.c    what Prometheus is told
 */
#ifndef LIVE_LIVE_H
#define LIVE_LIVE_H

#include <stdarg.h>
#include <stdint.h>
#include <sys/types.h>

#include <aibrix/aibrix.h>

#include "live/live_fetch.h"
#include "live/live_options.h"
#include "live/live_process.h"

enum {
	LIVE_CLIENTS_MAX = 8,
	LIVE_MS_NS = 1000000,
	LIVE_SECOND_NS = 1000000000
};

typedef enum live_phase {
	LIVE_ABSENT,   /* its port is free */
	LIVE_WAITING,  /* for its next start: its process has failed */
	LIVE_STARTING, /* has not told anything yet */
	LIVE_READY,
	LIVE_STOPPING
} live_phase;

/* A port, and what is there. */
typedef struct live_pod {
	live_phase phase;
	uint16_t port;
	int again;           /* stopped to be started again */
	int killed;          /* what was polite did not help */
	int spare_told;      /* that its port is somebody else's */
	uint32_t failures;   /* starts in a row that came to nothing */
	uint64_t started_ns; /* its process */
	uint64_t changed_ns; /* when it became what it is */
	uint64_t until_ns;   /* WAITING: its start, STOPPING: its end */
	uint64_t good_ns;    /* its last good page; 0: none */
	live_process process;
	live_fetch fetch;
	aibrix_scrape *scrape; /* NULL: no process */
	const char *fault;     /* of its last page; NULL: none */
} live_pod;

/* Somebody who asks for our own page. */
typedef struct live_client {
	int fd; /* -1: none */
	uint64_t until_ns;
	size_t n, at; /* of the answer: bytes, sent */
	char *answer; /* NULL: still asking */
	char asked[2048];
} live_client;

typedef struct live_counts {
	uint64_t decisions, invalid;
	uint64_t starts, deaths, kills;
	uint64_t pages, faults;
	uint64_t unsaved;
} live_counts;

typedef struct live {
	live_options options;
	live_pod pods[LIVE_PODS_MAX];
	uint32_t n_pods;
	int32_t replicas; /* that there should be */
	void *memory;
	aibrix_scale_state *state;
	void *demand_memory; /* strategy tpa */
	aibrix_demand_state *demand_state;
	aibrix_demand demand;       /* size 0: none yet */
	aibrix_scale_decision last; /* decision; size 0: none yet */
	live_fetcher fetcher;
	live_fetch gateway;
	double queued;
	uint64_t queued_ns; /* 0: never known */
	const char *gateway_fault;
	/* What the pods' pages say, for one decision. */
	double values[LIVE_METRICS_MAX][LIVE_PODS_MAX];
	uint64_t at_ns[LIVE_METRICS_MAX][LIVE_PODS_MAX];
	uint64_t tick_ns;     /* the next one */
	uint64_t deadline_ns; /* for its pages; 0: none are asked for */
	uint64_t tick_count;
	int ending; /* LIVE_END_* */
	int dirty;  /* what is saved is not what is */
	int lock_fd;
	int signal_fd;
	int listen_fd; /* -1: nobody may ask */
	live_client clients[LIVE_CLIENTS_MAX];
	live_counts counts;
} live;

enum {
	LIVE_END_NOT = 0,
	LIVE_END_STOP = 1,  /* and every pod with it */
	LIVE_END_KILL = 2,  /* the same, at once */
	LIVE_END_LEAVE = 3, /* pods go on without us */
	LIVE_END_FAIL = 4   /* STOP, for a fault of ours */
};

/* Nanoseconds since 1970 that only go forward: the wall's time when the
 * program began, and how long it runs.  So it goes on where the last run's
 * was. */
uint64_t live_now(void);

/* ---- live_pods.c ---- */

int live_pods_open(live *l);
void live_pods_close(live *l);
/* Start and stop until there are as many as there should be. */
void live_pods_settle(live *l, uint64_t now_ns);
/* Who has ended, and whose time is over. */
void live_pods_watch(live *l, uint64_t now_ns);
void live_pods_stop(live *l, int at_once, uint64_t now_ns);
/* A process of an earlier run.  0: it is there. */
int live_pod_adopt(live *l, live_pod *pod, pid_t pid, uint64_t birth,
		   uint64_t now_ns);
void live_pod_ready(live *l, live_pod *pod, uint64_t now_ns);
/* When something is due, at most until_ns. */
uint64_t live_pods_due(const live *l, uint64_t until_ns);
/* In a phase. */
uint32_t live_pods_count(const live *l, live_phase phase);
/* Processes that there are. */
uint32_t live_pods_alive(const live *l);

/* ---- live_decide.c ---- */

/* Ask everybody for a page. */
void live_tick_begin(live *l, uint64_t now_ns);
/* Pages that came; all of them by the deadline. */
void live_pages_take(live *l, uint64_t now_ns);
int live_pages_wait(const live *l);
void live_tick_decide(live *l, uint64_t now_ns);

/* ---- live_demand.c ---- */

/* What it reads of pages. */
uint64_t live_demand_series(void);
int live_demand_open(live *l);
/* Pods; NaN: not known. */
double live_demand_wanted(live *l, const aibrix_scale_fleet *fleet,
			  uint64_t now_ns);

/* ---- live_state.c ---- */

/* -1: a message was printed. */
int live_state_open(live *l);
void live_state_save(live *l, uint64_t now_ns);
void live_state_close(live *l);

/* ---- live_report.c ---- */

/* Something happened; to pod, or to all. */
void live_say(const live *l, const live_pod *pod, const char *event,
	      const char *format, ...) __attribute__((format(printf, 4, 5)));
typedef struct live_seen {
	const aibrix_scale_decision *decision;
	const aibrix_scale_fleet *fleet;
	const aibrix_schedule_bounds *bounds;
	int queue_known;
} live_seen;
void live_say_decision(const live *l, const live_seen *seen);

/* ---- live_listen.c ---- */

/* -1: a message was printed. */
int live_listen_open(live *l);
void live_listen_serve(live *l, uint64_t now_ns);
void live_listen_close(live *l);

#endif
