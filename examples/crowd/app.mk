MEM ?= 1G
