// Runs in neuroglancer's page: sets views, and tells what each frame shows once it is drawn.
// Names of neuroglancer's own are those of its sources (src/viewer.ts, src/chunk_manager/, src/layer/image/).
() => {
  const { viewer } = window;
  const { display, chunkQueueManager: queue } = viewer;
  const GPU_MEMORY = 0; // ChunkState
  const MARGIN = 1.1; // by which filterVisibleSources takes a pixel to be longer
  const FOV_SLOPE = Math.tan(Math.PI / 8); // of its perspective, 45 degrees

  let scene = null; // the newest view, as Python has it
  let number = 0; // of the newest view
  let applied = 0, seen = 0; // numbers of the views that were set, seen last
  let scales = null; // world units along a pixel of level 0, by the name of the axis
  let fresh = []; // chunks that were put on the GPU since the last frame: [id of their source, key]
  let counts = []; // of the frame that is being drawn: [chunks that are shown, chunks that are not here yet]
  let frames = []; // drawn by the page, not yet by the GPU
  let told = null;
  let draft = false; // whether the frame that is being drawn is a coarse one: neuroglancer's, while a camera moves
  const onGpu = new Map(); // id of a source -> key of a chunk -> whether a frame has been drawn with it

  const forget = () => (told = { boxes: [], first: false, complete: false });

  // What is there ------------------------------------------------------------------------------------------------

  const layer = () => viewer.layerManager.managedLayers[0]?.layer;
  const source = () => layer()?.renderLayers.map((each) => each.multiscaleSource).find((each) => each?.multiscale);
  const levels = () => source()?.multiscale.scales ?? [];
  const failure = () => layer()?.dataSources[0]?.loadState?.error?.message ?? null;
  const isReady = () => viewer.layerManager.managedLayers.every((each) => each.isReady()) && display.isReady();

  const apply = queue.applyChunkUpdate;
  queue.applyChunkUpdate = function (update) {
    const changed = apply.call(this, update);
    if (update.id === undefined || update.promise !== undefined) return changed;
    if (!onGpu.has(update.source)) onGpu.set(update.source, new Map());
    const held = onGpu.get(update.source);
    if (update.state !== GPU_MEMORY) held.delete(update.id);
    else if (!held.has(update.id)) {
      held.set(update.id, false);
      fresh.push([update.source, update.id]);
    }
    return changed;
  };

  // Start and stop of a chunk of the level in view, on the axes of the store; null for chunks of other levels.
  const boxOf = (id, key) => {
    const chunks = queue.rpc.get(id);
    const level = levels()[scene.level];
    if (level === undefined || chunks?.parameters?.url !== level.url) return null;
    const { shape, codecs } = level.metadata;
    const order = codecs.layoutInfo[0].physicalToLogicalDimension;
    const start = [], stop = [], rank = order.length;
    key.split(",").forEach((place, i) => {
      const axis = order[rank - 1 - i], size = chunks.spec.chunkDataSize[i];
      start[axis] = Number(place) * size;
      stop[axis] = Math.min(start[axis] + size, shape[axis]);
    });
    return [start, stop];
  };

  const tellBox = (id, key) => {
    const box = boxOf(id, key);
    if (box !== null) told.boxes.push(box);
  };

  // Frames -------------------------------------------------------------------------------------------------------

  display.updateStarted.add(() => {
    draft = false;
    for (const { frameRateCalculator: pace } of display.panels) {
      if (pace === undefined || Object.hasOwn(pace, "calculateDownsamplingRate")) continue;
      const rate = pace.calculateDownsamplingRate;
      pace.calculateDownsamplingRate = function (method) {
        const found = rate.call(this, method);
        draft ||= found > 1;
        return found;
      };
    }
  });

  display.updateFinished.add(() => {
    if (scene === null) return;
    const gl = display.gl;
    const sync = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    frames.push({ number: applied, sync, counts, fresh, ready: !draft && isReady() });
    gl.flush();
    [fresh, counts] = [[], []];
    if (frames.length === 1) setTimeout(settle);
  });

  const settle = () => {
    const gl = display.gl;
    while (frames.length > 0) {
      const frame = frames[0];
      if (gl.getSyncParameter(frame.sync, gl.SYNC_STATUS) !== gl.SIGNALED) return void setTimeout(settle, 1);
      gl.deleteSync(frame.sync);
      frames.shift();
      tell(frame);
    }
  };

  // A chunk that a frame of the last view was drawn with can be shown in this one as well.
  const tell = (frame) => {
    for (const [id, key] of frame.fresh) {
      if (!onGpu.get(id)?.has(key)) continue;
      onGpu.get(id).set(key, true);
      tellBox(id, key);
    }
    if (frame.number !== number) return;
    if (seen !== number && frame.counts.some(([here]) => here > 0)) [told.first, seen] = [true, number];
    told.complete ||= frame.ready && isReady();
  };

  // neuroglancer counts what it draws of each level for the histogram in its panel.
  const count = (histogram) => {
    const add = histogram.add;
    histogram.add = function (size, ratio, here, not, unreal = false) {
      if (!unreal) counts.push([here, not]);
      return add.call(this, size, ratio, here, not, unreal);
    };
  };

  // Views --------------------------------------------------------------------------------------------------------

  // The scale of level 0 in the image's own units: neuroglancer keeps it in SI units only. The documents were read.
  const readScales = async () => {
    const documents = [...viewer.chunkManager.memoize.map].filter(([key]) => /zarr:json.*(zarr\.json|\.zattrs)"/.test(key));
    for (const [, kept] of documents) {
      const found = await kept.value({});
      const attributes = found?.attributes ?? found;
      const described = (attributes?.ome ?? attributes)?.multiscales?.[0];
      if (described === undefined) continue;
      const steps = [...(described.coordinateTransformations ?? []), ...described.datasets[0].coordinateTransformations];
      const along = (i) => steps.reduce((product, step) => product * (step.scale?.[i] ?? 1), 1);
      return Object.fromEntries(described.axes.map((axis, i) => [axis.name, along(i)]));
    }
    return {};
  };

  const place = (space, position) => {
    const world = space.names.map((name) => scene.world[name.replace(/['^]$/, "")] / (scales[name.replace(/['^]$/, "")] ?? 1));
    return Float32Array.from(world, (value, i) => (Number.isNaN(value) ? position[i] : value));
  };

  // Pixels of the level in view along the displayed axes, in neuroglancer's canonical voxels.
  const pixelSizes = (level) => {
    const { displayDimensionIndices: shown, displayRank, canonicalVoxelFactors: factors } = viewer.displayDimensionRenderInfo.value;
    const names = viewer.coordinateSpace.value.names, own = source().modelSpace.names, step = own.length + 2;
    return Array.from({ length: displayRank }, (_, i) => level.transform[own.indexOf(names[shown[i]]) * step] * factors[i]);
  };

  const setView = () => {
    const space = viewer.coordinateSpace.value;
    if (scene === null || scales === null || !space.valid || levels().length === 0) return;
    viewer.displayDimensions.restoreState(scene.axes);
    viewer.position.value = place(space, viewer.position.value);
    const local = layer().localPosition;
    local.value = place(layer().localCoordinateSpace.value, local.value);
    const { canonicalVoxelFactors: factors } = viewer.displayDimensionRenderInfo.value;
    const voxel = scales[scene.axes[0]] / factors[0]; // a canonical voxel in world units
    const sizes = pixelSizes(levels()[scene.level]);
    if (scene.orientation) setCamera(voxel, sizes);
    else setPlane(voxel, sizes);
    applied = number;
    display.scheduleRedraw();
  };

  // The finished picture of a plane is of the level that is asked for: the coarsest with pixels no longer than this.
  const setPlane = (voxel, sizes) => {
    const pixel = 1 / (scene.zoom * voxel);
    const finest = pixelSizes(levels()[0]);
    const counted = sizes.filter((size, i) => size > 1.01 * finest[i]);
    viewer.crossSectionScale.value = pixel;
    layer().sliceViewRenderScaleTarget.value = (1.001 * Math.max(...(counted.length ? counted : finest))) / (MARGIN * pixel);
  };

  // Depth from the nearest to the farthest corner of the image, with a sample for each pixel of the level that is asked for.
  const setCamera = (voxel, sizes) => {
    const height = scene.height / (scene.zoom * voxel);
    viewer.projectionOrientation.restoreState(scene.orientation);
    viewer.projectionScale.value = height;
    const depth = Math.max(1e-3, reach() / (height / 2));
    viewer.projectionDepthRange.value = -depth;
    const slope = scene.perspective ? FOV_SLOPE : 1; // its unit of depth is half the canvas's height, by this
    const far = 1 + depth * slope, near = Math.max(0.1, 1 - depth * slope);
    const sample = Math.cbrt(sizes.reduce((product, size) => product * size, 1)) / (height / 2 / slope);
    layer().volumeRenderingDepthSamplesTarget.value = (1.01 * (far - near)) / sample;
  };

  const reach = () => {
    const { displayDimensionIndices: shown, canonicalVoxelFactors: factors } = viewer.displayDimensionRenderInfo.value;
    const { bounds } = viewer.coordinateSpace.value, centre = viewer.position.value;
    const farthest = (d) => Math.max(Math.abs(bounds.lowerBounds[d] - centre[d]), Math.abs(bounds.upperBounds[d] - centre[d]));
    return Math.hypot(...[0, 1, 2].map((i) => farthest(shown[i]) * factors[i]));
  };

  // What Python calls --------------------------------------------------------------------------------------------

  const clear = () => {
    viewer.state.reset();
    [scene, scales, fresh, counts, frames] = [null, null, [], [], []];
    forget();
  };

  const open = (url, volume, perspective) => {
    const shown = volume ? { volumeRendering: "max" } : {};
    viewer.state.restoreState({
      layers: [{ type: "image", name: "image", source: `${url}/|zarr:`, ...shown }],
      layout: volume ? { type: "3d", orthographicProjection: !perspective } : "xy",
      showAxisLines: false, showScaleBar: false, showDefaultAnnotations: false, showSlices: false,
      prefetch: false, // the way from where it opens an image to the first view is no movement
      selectedLayer: { visible: false },
    });
    count(layer().sliceViewRenderScaleHistogram);
    count(layer().volumeRenderingChunkResolutionHistogram);
    layer().layersChanged.add(async () => {
      if (scales === null && levels().length > 0) scales = await readScales();
      setView();
    });
  };

  window.lab = {
    clear,
    // Show a view; the first one opens the image.
    show: (url, wanted) => {
      scene = wanted;
      number += 1;
      forget();
      if (layer() === undefined) return open(url, wanted.orientation !== null, wanted.perspective);
      queue.enablePrefetch.value = true; // as is its default
      if (wanted.orientation) display.flagContinuousCameraMotion(); // as its mouse does
      for (const [id, keys] of onGpu) for (const [key, drawn] of keys) if (drawn) tellBox(id, key);
      setView();
    },
    // What has been drawn since the last time.
    take: () => {
      const { boxes, first, complete } = told;
      [told.boxes, told.first] = [[], false];
      return { boxes, first, complete, failure: failure() };
    },
  };

  // Nothing but the picture.
  for (const option of Object.values(viewer.uiConfiguration)) option.value = false;
  const style = document.createElement("style");
  style.textContent = `.neuroglancer-display-dimensions-widget, .neuroglancer-data-panel-layout-controls,
    #neuroglancer-status-container { display: none !important }`;
  document.head.append(style);
  clear();
}
