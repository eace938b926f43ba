/*
 * A program of loads and pods, and what must hold of every decision; or, when
 * the first byte is 1 modulo 4, any bytes as a saved state, with a right sum
 * put behind them: what is loaded takes a step.
 */

#include "../tests/model/scale_program.h"

#include "base/bytes.h"
#include "base/xxh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STEPS = 40 };

static void
check(int right)
{
	if (!right)
		abort();
}

static void
step(const aibrix_scale_opts *o, aibrix_scale_state *state)
{
	static const aibrix_scale_pod pod = {.phase = AIBRIX_SCALE_RUNNING,
					     .ready = AIBRIX_SCALE_READY};
	static const double value = 30;
	const aibrix_scale_values v = {.values = &value};
	const aibrix_scale_fleet fleet = {.size = sizeof(fleet),
					  .replicas = 1,
					  .n_pods = 1,
					  .pods = &pod};
	aibrix_scale_decision d = {.size = sizeof(d)};
	int err =
		aibrix_scale_step(o, &fleet, &v, state, (uint64_t)1 << 60, &d);

	check(err == AIBRIX_OK || err == AIBRIX_E_STATE);
	if (!err)
		check(d.replicas >= 1 && d.replicas <= 50);
}

static void
try_state(const uint8_t *data, size_t len)
{
	static const aibrix_scale_metric metric = {.target = 10};
	const aibrix_scale_opts o = {.size = sizeof(o),
				     .strategy = data[0] % 3,
				     .profile = data[0] / 4 % 2,
				     .max_replicas = 50,
				     .metrics = &metric,
				     .n_metrics = 1,
				     .stable_ns = 4 * SECOND,
				     .panic_ns = 2 * SECOND};
	uint64_t memory[1024];
	uint8_t *own = malloc(len + 8);
	aibrix_scale_state *state;
	struct writer w;
	int err;

	check(own != NULL);
	memcpy(own, data, len);
	check(aibrix_scale_state_init(&o, memory, sizeof(memory), &state) ==
	      AIBRIX_OK);
	w = writer_on(own + len, 8);
	write_u64(&w, aibrix__xxh64(own + 1, len - 1, 0));
	err = aibrix_scale_state_load(state, own + 1, len + 7,
				      data[0] / 8 - 16);
	check(err == AIBRIX_OK || err == AIBRIX_E_PARSE ||
	      err == AIBRIX_E_INVAL);
	step(&o, state);
	free(own);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct choices choices = {.rand = 1};

	if (len == 0)
		return 0;
	if (data[0] % 4 == 1 && len > 1) {
		try_state(data + 1, len - 1);
		return 0;
	}
	choices.data = data + 1;
	choices.left = len - 1;
	check(scale_program_run(choices, STEPS, NO_FAULT) == NULL);
	return 0;
}
