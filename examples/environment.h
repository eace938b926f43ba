/* The environment as names and values: the library never reads it, programs
 * do. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include <aibrix/config.h>

/* All of environ, in memory to be freed with free(); NULL: there is none. */
aibrix_config_pair *environment_pairs(uint32_t *n);

/*
 * A config from the environment, or NULL.  What is wrong is written to
 * stderr, by name and reason: values may be secrets.
 */
aibrix_config *environment_config(uint32_t flags);

#endif
