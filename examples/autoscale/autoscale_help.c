/* --help. */
#include "autoscale.h"

static const char help_text[] =
	"Usage: autoscale [options]\n"
	"\n"
	"Lets scalers decide how many pods a modelled fleet has while its "
	"load\n"
	"changes, and shows what each costs and how long requests wait.  "
	"Time is\n"
	"virtual.\n"
	"\n"
	"What arrives\n"
	"  --shape A,B,...      curves of load, below [all]\n"
	"  --trace FILE         for the shape trace: Mooncake's format\n"
	"  --seeds N            each shape so often, the same for all scalers "
	"[5]\n"
	"  --seed S             the first of them [1]\n"
	"  --hours H            of virtual time [1]\n"
	"  --pods N             that the load needs, on the average [6]\n"
	"  --full F             share of a saturated pod's work that counts as "
	"full [0.8]\n"
	"\n"
	"The fleet\n"
	"  --max-pods N         [24]\n"
	"  --start-up S         seconds from asking for a pod to its first "
	"request,\n"
	"                       median; 10: an engine that streams its weights "
	"[150]\n"
	"  --start-spread X     standard deviation of its logarithm [0.15]\n"
	"  --scrape S           between readings of a pod's metrics [10]\n"
	"  --scrape-loss F      share of readings that fail [0.01]\n"
	"  --preset NAME        GPU and model of a pod [a100-llama3-8b]\n"
	"  --policy STRATEGY    of routing [least-request]\n"
	"  --slo-ttft MS        time to first token that is good, beyond what "
	"the prompt\n"
	"                       takes alone on an empty pod [1000]\n"
	"  --slo-itl MS         time between tokens that is good, mean of a "
	"request [100]\n"
	"\n"
	"Who decides\n"
	"  --scaler A,B,...     all parameters that are tried of each, below "
	"[all]\n"
	"  --scaler A:KEY=X,... one with parameters; may be repeated\n"
	"  --usual              of each scaler the usual parameters only\n"
	"\n"
	"What is printed\n"
	"  --all                parameters, too, that others of the scaler "
	"beat "
	"in both\n"
	"                       GPU-hours and latency\n"
	"  --json               a line for each run instead\n"
	"  --timeline           with --json: pods needed, asked for and ready, "
	"every 10 s\n"
	"  --jobs N             runs at a time [as many as there are CPUs]\n"
	"  --help\n";

void
autoscale_help(FILE *out)
{
	const char *text;

	fputs(help_text, out);
	fprintf(out, "\nShapes (* nothing was tuned on it):\n");
	for (size_t i = 0; sim_shape_at(i); i++)
		fprintf(out, "  %-14s%s %s\n", sim_shape_at(i)->name,
			sim_shape_at(i)->held_out ? "*" : " ",
			sim_shape_at(i)->text);
	fprintf(out, "\nScalers and their parameters:\n");
	for (uint32_t i = 0; autoscale_scaler_at(i); i++) {
		const autoscale_scaler *scaler = autoscale_scaler_at(i);

		fprintf(out, "  %-14s  %s; usual: %s\n", scaler->name,
			scaler->text, scaler->sweep[0]);
		for (uint32_t k = 0; scaler->keys[k]; k += 2)
			fprintf(out, "      %-12s%s\n", scaler->keys[k],
				scaler->keys[k + 1]);
	}
	fprintf(out, "\nPresets:\n");
	for (size_t i = 0; sim_preset_name(i, &text); i++)
		fprintf(out, "  %-22s %s\n", sim_preset_name(i, NULL), text);
}
