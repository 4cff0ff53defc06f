module xively/timeseries/peers

go 1.26.0
