/*
 * A program of arrivals, engines and pods, and what must hold of every
 * decision; or, when the first byte is 1 modulo 4, any bytes as a saved
 * state, with a right sum put behind them: what is loaded takes steps.
 */

#include "../tests/model/demand_program.h"

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
step(aibrix_demand_state *state, uint64_t now_ns, int role)
{
	static const aibrix_scale_pod pod = {.phase = AIBRIX_SCALE_RUNNING,
					     .ready = AIBRIX_SCALE_READY};
	static const double one = 1, part = 0.5, many = 500;
	const aibrix_demand_opts o = {.size = sizeof(o),
				      .role = (uint32_t)role,
				      .ttft_s = 1,
				      .itl_s = 0.05,
				      .season_ns = 3600 * SECOND};
	const aibrix_demand_seen seen = {.size = sizeof(seen),
					 .flags = AIBRIX_DEMAND_ARRIVALS,
					 .running = &one,
					 .waiting = &one,
					 .kv_ratio = &part,
					 .prompt_per_s = &many,
					 .output_per_s = &many,
					 .finished_per_s = &one,
					 .arrivals_per_s = 3};
	const aibrix_scale_fleet fleet = {.size = sizeof(fleet),
					  .replicas = 1,
					  .n_pods = 1,
					  .pods = &pod};
	aibrix_demand d = {.size = sizeof(d)};
	int err = aibrix_demand_step(&o, &fleet, &seen, state, now_ns, &d);

	check(err == AIBRIX_OK || err == AIBRIX_E_STATE);
	if (!err)
		check(isnan(d.wanted) || (d.wanted >= 0 && !isinf(d.wanted)));
}

static void
try_state(const uint8_t *data, size_t len)
{
	uint64_t memory[STATE_WORDS], n = aibrix_demand_state_save_bytes();
	uint8_t *own = calloc(1, n);
	aibrix_demand_state *state;
	struct writer w;
	int err;

	check(own != NULL);
	memcpy(own, data + 1, len - 1 < n - 8 ? len - 1 : n - 8);
	memcpy(own, "adem\1\0\0\0", 8);
	w = writer_on(own + n - 8, 8);
	write_u64(&w, aibrix__xxh64(own, n - 8, 0));
	check(aibrix_demand_state_init(memory, sizeof(memory), &state) ==
	      AIBRIX_OK);
	err = aibrix_demand_state_load(state, own, n, data[0] / 8 - 16);
	check(err == AIBRIX_OK || err == AIBRIX_E_PARSE);
	for (int i = 0; i < 3; i++)
		step(state, ((uint64_t)1 << 60) + (uint64_t)i * 10 * SECOND,
		     data[0] % 3);
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
	check(demand_program_run(choices, STEPS, NO_FAULT) == NULL);
	return 0;
}
