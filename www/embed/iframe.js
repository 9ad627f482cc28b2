// Results of the frame, as messages.

const last = document.querySelector('#last');

addEventListener('message', ({ origin, data }) => {
  if (origin !== location.origin || data?.type !== 'anomalysd-result') return;
  const { image, verdict, score } = data.result;
  last.textContent = `Last result: ${image || 'photo'} is ${verdict}, score ${score.toPrecision(3)}.`;
  last.hidden = false;
});
