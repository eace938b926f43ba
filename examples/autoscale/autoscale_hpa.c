/* Kubernetes' horizontal pod autoscaler, every 15 s as there. */
#include "autoscale_library.h"

static void *
hpa_open(const autoscale_bounds *bounds, const char *text)
{
	const aibrix_scale_opts opts = {.strategy = AIBRIX_SCALE_HPA};

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
	"target=8,down=60",
	"target=16,down=60",
	"target=32,down=60",
	"target=8,tolerance=0.3",
	"target=16,tolerance=0.3",
	"target=32,tolerance=0.3",
	NULL,
};

const autoscale_scaler autoscale_hpa = {
	.name = "hpa",
	.text = "Kubernetes' HPA",
	.keys = autoscale_library_keys,
	.sweep = sweep,
	.period_ns = UINT64_C(15000000000),
	.open = hpa_open,
	.decide = autoscale_library_decide,
	.close = autoscale_library_close,
};
