/* Texts of objects. */
#ifndef SCALE_SCALE_OBJECT_INTERNAL_H
#define SCALE_SCALE_OBJECT_INTERNAL_H

#include <aibrix/scale_object.h>

enum {
	OBJECT_TEXT_MAX = 4096, /* of a value that is looked at */
	STRATEGY_NONE = 1000    /* none of AIBrix's */
};

/* With AIBrix's defaults where a member is not there. */
struct object {
	aibrix_scale_object a;
	uint32_t strategy; /* AIBRIX_SCALE_APA and so on; STRATEGY_NONE */
	uint32_t spare;
};

int aibrix__object_load(struct object *o, const aibrix_scale_object *object);

/* Loaded, and found to be one. */
int aibrix__object_check(struct object *o, const aibrix_scale_object *object,
			 aibrix_scale_fault *fault);

/* Status, and *fault unless it is NULL. */
int aibrix__fault(aibrix_scale_fault *fault, int status, uint32_t reason,
		  uint32_t which);

/* A decimal above 0 and finite. */
int aibrix__positive_read(const char *text, double *out);

/* Are schedules as they must be?  *bad: the first that is not. */
int aibrix__schedules_check(const aibrix_schedule *schedules, uint32_t n,
			    int32_t min_replicas, int32_t max_replicas,
			    uint32_t *bad);

#endif
