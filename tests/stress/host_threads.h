/*
 * A host's threads, as opts.run wants them: what they do is in a stack, and
 * some calls are refused, or done in the call.
 */
#ifndef TESTS_STRESS_HOST_THREADS_H
#define TESTS_STRESS_HOST_THREADS_H

#include <pthread.h>
#include <stdint.h>

#include "require.h"

enum { HOST_THREADS = 4, HOST_JOBS = 64 };

struct host_job {
	void (*fn)(void *arg);
	void *arg;
};

struct host {
	uint32_t refused_of; /* each so many-th call is; 0: none */
	uint32_t at_once_of;
	uint32_t asked, done; /* by its threads */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct host_job jobs[HOST_JOBS];
	uint32_t n;
	int stop;
	pthread_t threads[HOST_THREADS];
};

static inline void *
host_thread(void *arg)
{
	struct host *host = arg;

	pthread_mutex_lock(&host->lock);
	while (!host->stop || host->n) {
		struct host_job job;

		if (!host->n) {
			pthread_cond_wait(&host->work, &host->lock);
			continue;
		}
		job = host->jobs[--host->n];
		pthread_mutex_unlock(&host->lock);
		job.fn(job.arg);
		pthread_mutex_lock(&host->lock);
		host->done++;
	}
	pthread_mutex_unlock(&host->lock);
	return NULL;
}

static inline int
host_run(void *ctx, void (*fn)(void *arg), void *arg)
{
	struct host *host = ctx;
	int refused, at_once;

	pthread_mutex_lock(&host->lock);
	host->asked++;
	refused = host->n == HOST_JOBS ||
		  (host->refused_of && host->asked % host->refused_of == 0);
	at_once = !refused && host->at_once_of &&
		  host->asked % host->at_once_of == 0;
	if (!refused && !at_once) {
		host->jobs[host->n++] = (struct host_job){fn, arg};
		pthread_cond_signal(&host->work);
	}
	pthread_mutex_unlock(&host->lock);
	if (at_once)
		fn(arg);
	return refused;
}

static inline void
host_start(struct host *host)
{
	REQUIRE(!pthread_mutex_init(&host->lock, NULL));
	REQUIRE(!pthread_cond_init(&host->work, NULL));
	for (uint32_t i = 0; i < HOST_THREADS; i++)
		REQUIRE(!pthread_create(&host->threads[i], NULL, host_thread,
					host));
}

static inline void
host_stop(struct host *host)
{
	pthread_mutex_lock(&host->lock);
	host->stop = 1;
	pthread_cond_broadcast(&host->work);
	pthread_mutex_unlock(&host->lock);
	for (uint32_t i = 0; i < HOST_THREADS; i++)
		REQUIRE(!pthread_join(host->threads[i], NULL));
	pthread_cond_destroy(&host->work);
	pthread_mutex_destroy(&host->lock);
}

#endif
