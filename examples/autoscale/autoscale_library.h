/* What APA, KPA and HPA share: aibrix_scale_step on scraped values. */
#ifndef AUTOSCALE_LIBRARY_H
#define AUTOSCALE_LIBRARY_H

#include <aibrix/scale.h>

#include "autoscale_scaler.h"

typedef struct autoscale_library autoscale_library;

/*
 * opts has strategy and profile, and the windows unless the text has them;
 * the rest comes from bounds and text.  NULL: out of memory, or an option
 * out of range.
 */
autoscale_library *autoscale_library_open(const autoscale_bounds *bounds,
					  const char *text,
					  const aibrix_scale_opts *opts);

int autoscale_library_decide(void *state, const sim_fleet_view *view,
			     int32_t *replicas);

void autoscale_library_close(void *state);

extern const char *const autoscale_library_keys[];

#endif
