/* The checks, each in the table of conform_checks.c. */
#ifndef CONFORM_CHECKS_H
#define CONFORM_CHECKS_H

#include "conform/conform.h"

int check_bytes_come_back(struct conform *c);
int check_a_miss_is_a_miss(struct conform *c);
int check_a_probe_tells_the_length(struct conform *c);
int check_the_first_value_stays(struct conform *c);
int check_what_is_deleted_is_gone(struct conform *c);
int check_too_little_memory_is_told(struct conform *c);
int check_too_long_a_value_is_refused(struct conform *c);
int check_any_key_will_do(struct conform *c);
int check_registered_memory_is_used_alike(struct conform *c);
int check_values_outlive_a_close(struct conform *c);

int check_submit_takes_a_prefix(struct conform *c);
int check_each_request_ends_once(struct conform *c);
int check_a_quiet_store_is_quiet(struct conform *c);
int check_a_late_request_times_out(struct conform *c);
int check_a_cancelled_request_ends(struct conform *c);
int check_one_key_many_requests(struct conform *c);
int check_more_than_fits_is_no_fault(struct conform *c);
int check_memory_is_left_alone_afterwards(struct conform *c);
int check_a_close_with_work_under_way(struct conform *c);
int check_random_programs(struct conform *c);

#endif
