/* AIBrix's pod autoscaler: ours, and as AIBrix computes it, with its loop of
 * 10 s and its windows. */
#include "autoscale_library.h"

static void *
apa_open(const autoscale_bounds *bounds, const char *text)
{
	const aibrix_scale_opts opts = {.strategy = AIBRIX_SCALE_APA};

	return autoscale_library_open(bounds, text, &opts);
}

static void *
apa_compat_open(const autoscale_bounds *bounds, const char *text)
{
	const aibrix_scale_opts opts = {
		.strategy = AIBRIX_SCALE_APA,
		.profile = AIBRIX_SCALE_COMPAT,
	};

	return autoscale_library_open(bounds, text, &opts);
}

static const char *const sweep[] = {
	"target=24",
	"target=3",
	"target=6",
	"target=12",
	"target=16",
	"target=32",
	"target=48",
	"target=8,stable=20",
	"target=16,stable=20",
	"target=32,stable=20",
	"target=8,tolerance=0.3",
	"target=16,tolerance=0.3",
	"target=32,tolerance=0.3",
	NULL,
};

static const char *const sweep_compat[] = {
	"target=24", "target=6", "target=12", "target=32", "target=48", NULL,
};

const autoscale_scaler autoscale_apa = {
	.name = "apa",
	.text = "the library's APA",
	.keys = autoscale_library_keys,
	.sweep = sweep,
	.period_ns = UINT64_C(10000000000),
	.open = apa_open,
	.decide = autoscale_library_decide,
	.close = autoscale_library_close,
};

const autoscale_scaler autoscale_apa_compat = {
	.name = "apa-compat",
	.text = "AIBrix's own APA",
	.keys = autoscale_library_keys,
	.sweep = sweep_compat,
	.period_ns = UINT64_C(10000000000),
	.open = apa_compat_open,
	.decide = autoscale_library_decide,
	.close = autoscale_library_close,
};
