"""A stand-in for a Kubernetes cluster of one node: the part of its API that Airflow's executor asks, and a kubelet.

kmock, the mock of this API that can be had as a library, was tried first and can't serve the executor: it lists and
watches without label and field selectors, gives no resource versions to go on from, and has nobody who starts pods
(kmock 0.8). Airflow finds its pods by labels alone, so that it would have taken running pods for ended ones.
"""
