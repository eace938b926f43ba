/* Runs of one shape, some at a time: each has its own fleet and library
 * objects, and all read the same loads. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <aibrix/aibrix.h>

#include "autoscale.h"

typedef struct run_queue {
	const autoscale_options *options;
	const sim_shape *shape;
	const sim_load *loads;
	autoscale_cell *cells;
	pthread_mutex_t lock; /* of what follows */
	uint64_t next, done;
	int failed;
} run_queue;

void
autoscale_progress(const char *shape, uint64_t done, uint64_t all)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (done < all)
		fprintf(stderr, "\r%-14s %3llu %%", shape,
			(unsigned long long)(100 * done / all));
	else
		fprintf(stderr, "\r%20s\r", "");
}

static void
lag_count(const sim_load *load, autoscale_cell *cell)
{
	const sim_fleet_result *run = &cell->run;
	double mark_s = (double)SIM_MARK_NS / 1e9;

	for (uint32_t i = 0; i < run->n_marks && i < load->n_need; i++) {
		double spare = run->marks[i].ready - ceil(load->need[i]);

		if (spare < 0)
			cell->lag_s += mark_s;
		else
			cell->spare_pod_h += spare * mark_s / 3600;
	}
}

/* All begin with what is needed, but for fleets that never change. */
static uint32_t
pods_first(const autoscale_options *options, const autoscale_entry *entry,
	   const sim_load *load)
{
	double need = load->n_need ? ceil(load->need[0]) : 1;

	if (entry->scaler == &autoscale_fixed)
		need = autoscale_number(entry->text, "pods",
					(double)options->max_pods);

	return need < 1                           ? 1
	       : need > (double)options->max_pods ? (uint32_t)options->max_pods
						  : (uint32_t)need;
}

static int
cell_run(const autoscale_options *o, const autoscale_entry *entry,
	 const sim_load *load, uint64_t seed, autoscale_cell *cell)
{
	const autoscale_bounds bounds = {
		.spec = &o->spec,
		.min_pods = 1,
		.max_pods = (int32_t)o->max_pods,
		.scrape_ns = (uint64_t)(1e9 * o->scrape_s),
		.start_s = o->start_s,
		.slo_ttft_s = o->slo_ttft_ms / 1e3,
		.slo_itl_s = o->slo_itl_ms / 1e3,
	};
	sim_fleet_opts fleet = {
		.spec = &o->spec,
		.workload = &load->workload,
		.strategy = o->policy,
		.decide = entry->scaler->decide,
		.period_ns = entry->scaler->period_ns,
		.end_ns = (uint64_t)(3600e9 * o->hours),
		.scrape_ns = bounds.scrape_ns,
		.scrape_loss = o->scrape_loss,
		.start_s = o->start_s,
		.start_sigma = o->start_sigma,
		.slo_ttft_s = bounds.slo_ttft_s,
		.slo_itl_s = bounds.slo_itl_s,
		.seed = seed,
		.first_pods = pods_first(o, entry, load),
		.max_pods = (uint32_t)o->max_pods,
	};
	int err = AIBRIX_E_INVAL;

	fleet.ctx = entry->scaler->open(&bounds, entry->text);
	if (fleet.ctx)
		err = sim_fleet_run(&fleet, &cell->run);
	entry->scaler->close(fleet.ctx);
	if (err)
		return err;
	lag_count(load, cell);
	if (!o->timeline) {
		free(cell->run.marks);
		cell->run.marks = NULL;
	}
	cell->gpu_hours = cell->run.pod_s / 3600 * o->gpus;
	cell->slo = (double)cell->run.in_slo / (double)cell->run.arrived;
	cell->turns_per_h = cell->run.turns / o->hours;
	return 0;
}

static void *
worker(void *arg)
{
	run_queue *queue = arg;
	const autoscale_options *o = queue->options;
	uint64_t all = o->n_entries * o->seeds;

	for (;;) {
		const autoscale_entry *entry;
		uint64_t i;
		int err;

		pthread_mutex_lock(&queue->lock);
		i = queue->failed ? all : queue->next++;
		pthread_mutex_unlock(&queue->lock);
		if (i >= all)
			return NULL;
		entry = &o->entries[i / o->seeds];
		err = cell_run(o, entry, &queue->loads[i % o->seeds],
			       o->first_seed + i % o->seeds, &queue->cells[i]);
		pthread_mutex_lock(&queue->lock);
		if (err && !queue->failed)
			fprintf(stderr, "autoscale: %s:%s on %s: %s\n",
				entry->scaler->name, entry->text,
				queue->shape->name, aibrix_strerror(err));
		queue->failed |= err != 0;
		autoscale_progress(queue->shape->name, ++queue->done, all);
		pthread_mutex_unlock(&queue->lock);
	}
}

int
autoscale_run(const autoscale_options *options, const sim_shape *shape,
	      const sim_load *loads, autoscale_cell *cells)
{
	run_queue queue = {
		options, shape, loads, cells, PTHREAD_MUTEX_INITIALIZER,
		0,       0,     0};
	pthread_t threads[AUTOSCALE_JOBS_MAX];
	uint32_t n = 0;

	while (n + 1 < options->jobs &&
	       pthread_create(&threads[n], NULL, worker, &queue) == 0)
		n++;
	worker(&queue);
	while (n > 0)
		pthread_join(threads[--n], NULL);
	pthread_mutex_destroy(&queue.lock);
	return queue.failed ? -1 : 0;
}
