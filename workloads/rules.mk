# workloads: to come
