/*
 * Which rank holds which layers and heads.
 *
 *   heads 8, tp 4     rank 0: 0 1   rank 1: 2 3   rank 2: 4 5   rank 3: 6 7
 *   heads 2, tp 4     rank 0: 0     rank 1: 0     rank 2: 1     rank 3: 1
 *
 * Where ranks hold the same head, or all the same latent, the first of them
 * writes for all.  Unlike AIBrix (l2/l2_cache.py): there ids count on, each
 * replica has its own name, and the same bytes are stored once per rank.
 *
 * How layers are divided when stages are no divisor of them differs between
 * engines and their settings, so that it is asked for, never guessed.
 */

#include "base/versioned.h"
#include "layout/layout_internal.h"

struct group {
	uint32_t tp, pp, tp_rank, pp_rank;
	uint32_t heads;    /* of each rank */
	uint32_t replicas; /* ranks that hold the same */
	uint32_t model_layers, model_heads;
	uint32_t latent;
	const uint32_t *pp_layers;
};

static uint32_t
stage_layers(const struct group *g, uint32_t stage)
{
	return g->pp_layers ? g->pp_layers[stage] : g->model_layers / g->pp;
}

static int
stages_are_valid(const struct group *g)
{
	uint32_t left = g->model_layers;

	if (!g->pp_layers)
		return g->model_layers % g->pp == 0;
	for (uint32_t i = 0; i < g->pp; i++) {
		if (g->pp_layers[i] == 0 || g->pp_layers[i] > left)
			return 0;
		left -= g->pp_layers[i];
	}
	return left == 0;
}

static int
group_heads(struct group *g, const struct shape *model)
{
	g->model_heads = model->extent[DIM_HEAD];
	g->latent = model->flags & AIBRIX_LAYOUT_LATENT;
	g->heads = 1;
	if (g->latent)
		g->replicas = g->tp;
	else if (g->model_heads % g->tp == 0) {
		g->heads = g->model_heads / g->tp;
		g->replicas = 1;
	} else if (g->tp % g->model_heads == 0)
		g->replicas = g->tp / g->model_heads;
	else
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

static int
group_load(struct group *g, const aibrix_layout_spec *model,
	   const aibrix_layout_ranks *ranks)
{
	aibrix_layout_ranks own;
	struct shape s;
	int err = aibrix__layout_shape(model, &s);

	if (!err)
		err = aibrix__struct_load(
			&own, sizeof(own), ranks,
			STRUCT_UPTO(aibrix_layout_ranks, pp_layers));
	if (err)
		return err;
	g->tp = own.tp ? own.tp : 1;
	g->pp = own.pp ? own.pp : 1;
	g->tp_rank = own.tp_rank;
	g->pp_rank = own.pp_rank;
	g->pp_layers = own.pp_layers;
	g->model_layers = s.extent[DIM_LAYER];
	if (own.spare || g->tp > AIBRIX_LAYOUT_RANKS_MAX ||
	    g->pp > AIBRIX_LAYOUT_RANKS_MAX || s.first[DIM_LAYER] != 0 ||
	    s.first[DIM_HEAD] != 0 || !stages_are_valid(g))
		return AIBRIX_E_INVAL;
	return group_heads(g, &s);
}

static aibrix_layout_shard
group_shard(const struct group *g, uint32_t tp_rank, uint32_t pp_rank,
	    uint32_t layer_first)
{
	aibrix_layout_shard s = {
		.tp_rank = tp_rank,
		.pp_rank = pp_rank,
		.layer_first = layer_first,
		.layers = stage_layers(g, pp_rank),
		.head_first = tp_rank / g->replicas * g->heads,
		.heads = g->heads,
		.writer = tp_rank - tp_rank % g->replicas,
		.compat_head_first = tp_rank * g->heads,
	};
	return s;
}

int
aibrix_layout_shard_of(const aibrix_layout_spec *model,
		       const aibrix_layout_ranks *ranks,
		       aibrix_layout_shard *out)
{
	uint32_t layer = 0;
	struct group g;
	int err = out ? group_load(&g, model, ranks) : AIBRIX_E_INVAL;

	if (err)
		return err;
	if (g.tp_rank >= g.tp || g.pp_rank >= g.pp)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < g.pp_rank; i++)
		layer += stage_layers(&g, i);
	*out = group_shard(&g, g.tp_rank, g.pp_rank, layer);
	return AIBRIX_OK;
}

int
aibrix_layout_sources(const aibrix_layout_spec *model,
		      const aibrix_layout_ranks *stored,
		      const aibrix_layout_spec *reader,
		      aibrix_layout_shard *out, uint32_t cap, uint32_t *n)
{
	uint32_t layer = 0, count = 0, first, last, layers;
	struct shape want;
	struct group g;
	int err = n && (out || !cap) ? group_load(&g, model, stored)
				     : AIBRIX_E_INVAL;

	if (!err)
		err = aibrix__layout_shape(reader, &want);
	if (err)
		return err;
	if ((want.flags & AIBRIX_LAYOUT_LATENT) != g.latent ||
	    !range_within(want.first[DIM_LAYER], want.extent[DIM_LAYER], 0,
			  g.model_layers) ||
	    !range_within(want.first[DIM_HEAD], want.extent[DIM_HEAD], 0,
			  g.model_heads))
		return AIBRIX_E_INVAL;
	first = want.first[DIM_HEAD] / g.heads;
	last = (want.first[DIM_HEAD] + want.extent[DIM_HEAD] - 1) / g.heads;
	for (uint32_t i = 0; i < g.pp; i++, layer += layers) {
		uint32_t begin = layer, both;

		layers = both = stage_layers(&g, i);
		range_narrow(&begin, &both, want.first[DIM_LAYER],
			     want.extent[DIM_LAYER]);
		for (uint32_t k = first; both && k <= last; k++, count++)
			if (count < cap)
				out[count] = group_shard(&g, k * g.replicas, i,
							 layer);
	}
	*n = count;
	return count <= cap ? AIBRIX_OK : AIBRIX_E_SPACE;
}
