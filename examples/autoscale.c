/*
 * autoscale: what scalers are worth.
 *
 *   curve of load -> requests -> gateway -> pods in virtual time
 *                                  ^          | metrics, every 10 s
 *                      pods come and go <-- scaler
 *
 * Every scaler meets the same requests and the same start-up times, with each
 * of its own parameters; they are compared where they cost the same number of
 * GPU-hours.  doc/modules/scale.md has the table, doc/modules/sim.md what is
 * modelled.
 */
#include <stdlib.h>

#include "autoscale/autoscale.h"

static int
loads_make(const autoscale_options *o, const sim_shape *shape, sim_load *loads)
{
	for (uint64_t s = 0; s < o->seeds; s++) {
		const sim_load_opts opts = {
			.spec = &o->spec,
			.trace = o->trace,
			.seconds = 3600 * o->hours,
			.pods = o->pods,
			.full = o->full,
			.seed = o->first_seed + s,
		};
		char error[512];

		if (sim_load_make(shape, &opts, &loads[s], error,
				  sizeof(error)) != 0) {
			fprintf(stderr, "autoscale: %s: %s\n", shape->name,
				error);
			return -1;
		}
	}
	return 0;
}

static int
shape_run(const autoscale_options *options, const sim_shape *shape,
	  autoscale_summary *summary)
{
	uint64_t n = options->n_entries * options->seeds;
	sim_load loads[AUTOSCALE_SEEDS_MAX] = {0};
	autoscale_cell *cells = calloc(n, sizeof(*cells));
	int failed = 1;

	if (!cells)
		fprintf(stderr, "autoscale: out of memory\n");
	else
		failed = loads_make(options, shape, loads) ||
			 autoscale_run(options, shape, loads, cells);
	if (!failed)
		autoscale_report(options, shape, loads, cells, summary);
	for (uint64_t i = 0; cells && i < n; i++)
		sim_fleet_result_clear(&cells[i].run);
	for (uint64_t s = 0; s < options->seeds; s++)
		sim_load_clear(&loads[s]);
	free(cells);
	return failed ? -1 : 0;
}

int
main(int argc, char **argv)
{
	static autoscale_options options;
	static autoscale_summary summaries[2]; /* tuning, held out */
	int parsed = autoscale_options_parse(argc, argv, &options);

	if (parsed)
		return parsed < 0 ? 2 : EXIT_SUCCESS;
	for (uint32_t i = 0; i < options.n_shapes; i++)
		if (shape_run(&options, options.shapes[i],
			      &summaries[options.shapes[i]->held_out]) != 0)
			return EXIT_FAILURE;
	autoscale_summary_print(&options, &summaries[0], "tuning");
	autoscale_summary_print(&options, &summaries[1], "held-out");
	return EXIT_SUCCESS;
}
