/* What scalers gain over HPA: of a shape, and of several together. */
#include <math.h>

#include "autoscale.h"

/* JSON has no NaN. */
static void
number_json(const char *name, double value)
{
	if (isfinite(value))
		printf(",\"%s\":%.6g", name, value);
	else
		printf(",\"%s\":null", name);
}

static void
gain_json(const char *shape, const char *held_out, const autoscale_gain *gain)
{
	double known = gain->points ? 1 : (double)NAN;

	printf("{\"shape\":\"%s\",\"held_out\":%s,\"compare\":\"%s\","
	       "\"over\":\"hpa\",\"points\":%u",
	       shape, held_out, gain->scaler->name, gain->points);
	number_json("latency_ratio", known * gain->e2e);
	number_json("latency_ratio_error", known * gain->e2e_error);
	number_json("ttft_ratio", known * gain->ttft);
	number_json("ttft_p99_ratio", known * gain->ttft_p99);
	number_json("oscillations_ratio", known * gain->turns);
	number_json("slo_points", known * gain->slo);
	number_json("gpu_hours_ratio",
		    gain->hours_points ? gain->hours : (double)NAN);
	printf("}\n");
}

static void
head_text(void)
{
	printf("over HPA at HPA's GPU-hours; GPU h: at its latency\n"
	       "%-14s %16s %7s %7s %7s %7s %7s %7s\n",
	       "", "latency", "TTFT", "p99", "turns", "SLO", "GPU h", "points");
}

static void
gain_text(const autoscale_gain *gain)
{
	printf("%-14s", gain->scaler->name);
	if (gain->points)
		printf("  %6.3f +- %5.3f %7.3f %7.3f %7.2f %+7.1f", gain->e2e,
		       gain->e2e_error, gain->ttft, gain->ttft_p99, gain->turns,
		       gain->slo);
	else
		printf("  %-47s", "never at the same GPU-hours");
	if (gain->hours_points)
		printf(" %7.3f", gain->hours);
	else
		printf(" %7s", "-");
	printf(" %7u\n", gain->points);
}

void
autoscale_gains_print(const autoscale_options *options, const sim_shape *shape,
		      const autoscale_gain *gains, uint32_t n)
{
	if (n && !options->json)
		head_text();
	for (uint32_t i = 0; i < n; i++) {
		if (options->json)
			gain_json(shape->name,
				  shape->held_out ? "true" : "false",
				  &gains[i]);
		else
			gain_text(&gains[i]);
	}
}

void
autoscale_summary_add(autoscale_summary *summary, const autoscale_gain *gains,
		      uint32_t n)
{
	summary->n = n;
	summary->n_shapes++;
	for (uint32_t i = 0; i < n; i++) {
		const autoscale_gain *gain = &gains[i];
		autoscale_gain *sum = &summary->sum[i];

		sum->scaler = gain->scaler;
		if (gain->hours_points) {
			sum->hours += log(gain->hours);
			summary->hours[i]++;
		}
		if (gain->points == 0)
			continue;
		summary->shapes[i]++;
		sum->points += gain->points;
		sum->e2e += log(gain->e2e);
		/* Of a logarithm, squared: shapes err by themselves. */
		sum->e2e_error += gain->e2e_error / gain->e2e *
				  gain->e2e_error / gain->e2e;
		sum->ttft += log(gain->ttft);
		sum->ttft_p99 += log(gain->ttft_p99);
		sum->turns += log(gain->turns);
		sum->slo += gain->slo;
	}
}

static autoscale_gain
summary_mean(const autoscale_summary *summary, uint32_t i)
{
	autoscale_gain mean = summary->sum[i];
	double n = summary->shapes[i] ? summary->shapes[i] : 1;

	mean.hours_points = summary->hours[i];
	mean.hours =
		exp(mean.hours / (summary->hours[i] ? summary->hours[i] : 1));
	mean.e2e = exp(mean.e2e / n);
	mean.e2e_error = mean.e2e * sqrt(mean.e2e_error) / n;
	mean.ttft = exp(mean.ttft / n);
	mean.ttft_p99 = exp(mean.ttft_p99 / n);
	mean.turns = exp(mean.turns / n);
	mean.slo /= n;
	return mean;
}

void
autoscale_summary_print(const autoscale_options *options,
			const autoscale_summary *summary, const char *of)
{
	if (summary->n_shapes < 2 || summary->n == 0)
		return;
	if (!options->json) {
		printf("\nall %s shapes, ", of);
		head_text();
	}
	for (uint32_t i = 0; i < summary->n; i++) {
		autoscale_gain mean = summary_mean(summary, i);

		if (options->json)
			gain_json("*", of[0] == 'h' ? "true" : "false", &mean);
		else
			gain_text(&mean);
	}
}
