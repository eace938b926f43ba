/* What prefill takes: Preble's measurements, as AIBrix has them. */

#include "index/radix_tree.h"

#include <aibrix/radix.h>

/* Milliseconds, from Preble's measurements of Mistral 7B.  The lines do not
 * meet at 192, nor at 1024. */
static const struct {
	double line[2], curve[3], least;
	double attention[2], attention_least;
	double quadratic[3];
} measured[] = {
	[AIBRIX_RADIX_V100] = {{0.27106428, 10.52444263},
			       {-295, 3.125, -6.4e-3},
			       55,
			       {4.65e-4, 0.398},
			       0.80,
			       {-18.425, 9.65e-3, 5.4e-6}},
	[AIBRIX_RADIX_A6000] = {{0.10842571, 4.209777054806409},
				{-118, 1.25, -2.56e-3},
				22,
				{1.86e-4, 0.159},
				0.32,
				{-7.37, 3.86e-3, 2.16e-6}},
};

static double
linear_ms(uint32_t gpu, double n)
{
	const double *line = measured[gpu].line, *curve = measured[gpu].curve;

	if (n >= 384)
		return line[0] * n + line[1];
	if (n >= 192)
		return curve[0] + curve[1] * n + curve[2] * n * n;
	return measured[gpu].least;
}

/* Of one request; unique is what no other request of its batch has. */
static double
attention_ms(uint32_t gpu, double unique, double context)
{
	double ms = measured[gpu].attention[0] * context +
		    measured[gpu].attention[1];

	if (context <= 1024)
		return measured[gpu].attention_least;
	if (unique == 0)
		unique = context;
	return unique <= 1024 ? ms / 2 : ms;
}

double
aibrix__radix_prefill_s(uint32_t gpu, double n, double context)
{
	double ms = linear_ms(gpu, n) + attention_ms(gpu, n, context);

	if (n >= 4096) {
		const double *quadratic = measured[gpu].quadratic;

		ms += quadratic[0] + quadratic[1] * n + quadratic[2] * n * n;
	}
	return ms / 1000 / 0.9;
}

int
aibrix_radix_prefill(uint32_t gpu, uint64_t tokens, uint64_t context,
		     double *seconds)
{
	if (gpu > AIBRIX_RADIX_A6000 || !seconds)
		return AIBRIX_E_INVAL;
	*seconds =
		aibrix__radix_prefill_s(gpu, (double)tokens, (double)context);
	return AIBRIX_OK;
}
