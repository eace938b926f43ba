/*
 * Edits of an object's members, in one pass over its text.
 *
 *	{ "a" : 1 , "b" : 2 , "c" : 3 }
 *	^^          -----------         ^
 *
 * A member owns the text from the end of the value before it to the end of
 * its own value: its comma, its blanks, its name.  So a member that is
 * dropped takes its comma along, and what is left reads as before.  Only
 * when all members before one are dropped is it the first, and goes without
 * what separated it.
 *
 * The text is checked while it is walked: what was drafted is thrown away if
 * it turns out not to be JSON.
 */

#include <assert.h>

#include "rewrite/rewrite_internal.h"

void
aibrix__edits_add(struct edits *e, const char *name, enum edit_op op,
		  value_fn value)
{
	assert(e->n < sizeof(e->list) / sizeof(e->list[0]));
	e->list[e->n++] = (struct edit){name, op, value, 0};
}

static struct edit *
edits_find(struct edits *e, const struct json *key)
{
	for (uint32_t i = 0; i < e->n; i++)
		if (aibrix__json_is(key, e->list[i].name))
			return &e->list[i];
	return NULL;
}

/* A walk over the object, and what of it is drafted. */
struct pass {
	struct draft *d;
	struct job *job;
	const char *end; /* of the last value */
	int members;     /* in the draft */
};

/* The separator, the name and, without an edit, the value. */
static int
pass_keep(struct pass *p, const struct json *key, const struct json *value,
	  const struct edit *edit)
{
	const char *from = p->members ? p->end : key->at;
	const char *to = edit ? value->at : value->at + value->n;

	p->members = 1;
	aibrix__draft_old(p->d, from, (size_t)(to - from));
	return edit ? edit->value(p->d, p->job) : AIBRIX_OK;
}

static int
pass_member(struct pass *p, struct edits *e, const struct source *source,
	    const struct json *key, const struct json *value)
{
	struct edit *edit = edits_find(e, key);
	int err = AIBRIX_OK;

	if (edit && edit->seen++)
		return aibrix__rewrite_refuse(&p->job->fault,
					      AIBRIX_REWRITE_WHY_TWICE, source,
					      key->at);
	if (!edit || edit->op == EDIT_LEAVE)
		err = pass_keep(p, key, value, NULL);
	else if (edit->op == EDIT_SET)
		err = pass_keep(p, key, value, edit);
	p->end = value->at + value->n;
	return err;
}

/* Members that are set and were not there. */
static int
pass_add(struct pass *p, const struct edits *e)
{
	for (uint32_t i = 0; i < e->n; i++) {
		const struct edit *edit = &e->list[i];
		int err;

		if (edit->seen || edit->op != EDIT_SET)
			continue;
		aibrix__draft_new(p->d, p->members ? ",\"" : "\"");
		aibrix__draft_new(p->d, edit->name);
		aibrix__draft_new(p->d, "\":");
		p->members = 1;
		err = edit->value(p->d, p->job);
		if (err)
			return err;
	}
	return AIBRIX_OK;
}

int
aibrix__edits_draft(struct edits *e, const struct source *source,
		    struct job *job, struct draft *d)
{
	struct pass p = {d, job, NULL, 0};
	struct json_walk walk;
	struct json key, value;
	int status, first = 1;

	if (!aibrix__json_open(source->text, source->n, &walk))
		return aibrix__rewrite_not_object(source, &job->fault);
	p.end = walk.at;
	while ((status = aibrix__json_step(&walk, &key, &value)) == AIBRIX_OK) {
		if (first) /* the blanks after the bracket stay */
			aibrix__draft_old(d, source->text,
					  (size_t)(key.at - source->text));
		first = 0;
		status = pass_member(&p, e, source, &key, &value);
		if (status)
			return status;
	}
	if (status == AIBRIX_E_PARSE)
		return aibrix__rewrite_refuse(
			&job->fault, AIBRIX_REWRITE_WHY_JSON, source, walk.at);
	if (first)
		aibrix__draft_old(d, source->text,
				  (size_t)(p.end - source->text));
	status = pass_add(&p, e);
	if (status)
		return status;
	aibrix__draft_old(d, p.end, (size_t)(source->text + source->n - p.end));
	return AIBRIX_OK;
}
