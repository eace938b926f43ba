/* Knative's pod autoscaler: as Knative computes it, and as AIBrix does. */
#include "autoscale_library.h"

static void *
kpa_open(const autoscale_bounds *bounds, const char *text)
{
	const aibrix_scale_opts opts = {.strategy = AIBRIX_SCALE_KPA};

	return autoscale_library_open(bounds, text, &opts);
}

static void *
kpa_compat_open(const autoscale_bounds *bounds, const char *text)
{
	const aibrix_scale_opts opts = {
		.strategy = AIBRIX_SCALE_KPA,
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
	"target=8,stable=180,panic=60",
	"target=16,stable=180,panic=60",
	"target=32,stable=180,panic=60",
	"target=8,tolerance=0.2",
	"target=16,tolerance=0.2",
	"target=32,tolerance=0.2",
	NULL,
};

static const char *const sweep_compat[] = {
	"target=24", "target=6", "target=12", "target=32", "target=48", NULL,
};

const autoscale_scaler autoscale_kpa = {
	.name = "kpa",
	.text = "the library's KPA",
	.keys = autoscale_library_keys,
	.sweep = sweep,
	.period_ns = UINT64_C(10000000000),
	.open = kpa_open,
	.decide = autoscale_library_decide,
	.close = autoscale_library_close,
};

const autoscale_scaler autoscale_kpa_compat = {
	.name = "kpa-compat",
	.text = "AIBrix's own KPA, which takes a mean for a total",
	.keys = autoscale_library_keys,
	.sweep = sweep_compat,
	.period_ns = UINT64_C(10000000000),
	.open = kpa_compat_open,
	.decide = autoscale_library_decide,
	.close = autoscale_library_close,
};
