# vmconfigs: to come
