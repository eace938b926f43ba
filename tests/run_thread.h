/* opts.run of a host that starts a thread for each call. */
#ifndef TESTS_RUN_THREAD_H
#define TESTS_RUN_THREAD_H

#include <pthread.h>
#include <stdlib.h>

struct run_job {
	void (*fn)(void *arg);
	void *arg;
};

static inline void *
run_job_work(void *arg)
{
	struct run_job job = *(struct run_job *)arg;

	free(arg);
	job.fn(job.arg);
	return NULL;
}

static inline int
run_thread(void *ctx, void (*fn)(void *arg), void *arg)
{
	struct run_job *job = malloc(sizeof(*job));
	pthread_t thread;

	(void)ctx;
	if (!job)
		return 1;
	*job = (struct run_job){fn, arg};
	if (pthread_create(&thread, NULL, run_job_work, job)) {
		free(job);
		return 1;
	}
	pthread_detach(thread);
	return 0;
}

#endif
